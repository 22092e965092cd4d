"""WSGI filters that paste pipelines name."""
