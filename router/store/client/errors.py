"""What can go wrong between the router and its store, as three types."""


class StoreUnavailableError(Exception):
    """
    The store could not be asked, did not answer in time, or refused to work.

    Whoever asked for a change must take it as one that may or may not have been applied, and send it again
    with the same idempotency key.
    """


class NotSentError(StoreUnavailableError):
    """
    The command never left this process, so it was certainly not applied; another server may be asked instead.
    """


class StoreDefectError(Exception):
    """
    A script failed in a way that only a defect of its own explains.

    Attributes:
        verb: The verb, or the name of the plain command, that failed.
        text: What the server said.
    """

    def __init__(self, verb: str, text: str) -> None:
        super().__init__(f"{verb}: {text}")
        self.verb = verb
        self.text = text


class UnsupportedStoreError(Exception):
    """The server is of a version that lacks what the router needs; the message names both."""
