"""Entities and pure rules: no I/O, no frameworks."""
