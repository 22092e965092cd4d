"""Options, one module for each group, and the frozen settings read from them."""
