"""Options: their declarations, one module for each subject, and the frozen settings that the rooms are given. No global configuration."""
