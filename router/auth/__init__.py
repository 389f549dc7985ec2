"""Tokens, the keys that verify them, and where the keys come from."""
