"""Callers that this service knows by itself, without an identity service: tokens and passwords in files of the operator."""
