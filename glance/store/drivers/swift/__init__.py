"""Image data as objects of Swift."""
