"""Image data as objects of an S3 server."""
