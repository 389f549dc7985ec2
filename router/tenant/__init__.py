"""What this node knows of one tenant: its directory, its feed, its lease and its subscribers."""
