"""The x-image-meta API of 2010 to 2017: what a client sends and receives. It decides nothing about images."""
