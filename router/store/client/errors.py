"""What can go wrong between the router and its store, under one base class."""


class StoreError(Exception):
    """Any error of the store client."""


class StoreUnavailableError(StoreError):
    """
    The store cannot be reached, does not reply in time, or refuses to work.

    A command that changes something may or may not have been applied: it is sent again with the same
    idempotency key.
    """


class NotSentError(StoreUnavailableError):
    """The command never left this process, so it was not applied; another server may be asked instead."""


class StoreConnectionError(StoreError):
    """A connection cannot be made, or is lost; the message says how."""


class StoreDefectError(StoreError):
    """
    A store command failed in a way that only a defect of its own explains.

    Attributes:
        command: The store command, or the name of the plain command, that failed.
        text: What the server replied.
    """

    def __init__(self, command: str, text: str) -> None:
        super().__init__(f"{command}: {text}")
        self.command = command
        self.text = text


class UnsupportedStoreError(StoreError):
    """The server is of a version that lacks what the router needs; the message names both."""


class StoreEvictsError(UnsupportedStoreError):
    """
    The server removes data when its memory is full, acknowledged changes among it.

    Attributes:
        policy: Its ``maxmemory-policy``.
    """

    def __init__(self, server: str, policy: str) -> None:
        super().__init__(
            f"{server} has the maxmemory-policy {policy}, which removes conversations when its memory is "
            "full; it has to be noeviction"
        )
        self.policy = policy
