"""The router: who is connected where, who owns which session, and who has to be told."""

__version__ = "0.1.0"
