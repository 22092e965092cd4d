"""Places for image data."""
