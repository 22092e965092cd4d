"""HTTP and processes; knows nothing about images."""
