"""Metadata in SQL: the only room that knows SQLAlchemy."""
