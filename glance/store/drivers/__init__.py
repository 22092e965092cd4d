"""One module for each kind of store; none knows another."""
