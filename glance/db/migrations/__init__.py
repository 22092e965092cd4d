"""The way from an empty database, or from any released schema, to the newest one. Released steps are never changed."""
