"""Translation between HTTP and use cases."""
