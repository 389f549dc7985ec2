"""Logs and incidents."""
