"""Use cases: one function for each thing that a caller can do."""
