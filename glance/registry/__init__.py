"""The metadata service on its own wire: table of operations, codec, client and server."""
