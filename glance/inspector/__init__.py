"""Formats of image data: which one a stream has, and whether it may be handed to whoever reads disks (spec-v2 13)."""
