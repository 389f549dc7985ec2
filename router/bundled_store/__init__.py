"""The Valkey that comes along, and the process that restarts it."""
