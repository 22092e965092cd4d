"""The rules that an operator can change."""
