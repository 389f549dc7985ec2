"""The router: where each agent is connected, which owner a session has, and which push goes to whom."""

__version__ = "0.1.0"
