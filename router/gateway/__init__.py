"""One client, from its hello to its end."""
