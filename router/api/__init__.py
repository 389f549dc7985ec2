"""Everything that the router answers over plain HTTP."""
