"""Suites that every store and registry passes, and real processes for tests."""
