"""The x-image-meta API of 2010 to 2017."""
