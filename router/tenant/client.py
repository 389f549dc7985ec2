"""What this node's view of a tenant knows of one connected client. The gateway implements it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from relevo.protocol.codec import Codec
    from relevo.protocol.errors import CloseCode
    from relevo.protocol.objects import AgentRole
    from relevo.router.store.commands import Caller
    from relevo.router.transport.interface import Socket


class Client(Protocol):
    """A welcomed client, or one about to be."""

    @property
    def connection_id(self) -> str:
        """Its connection's name in the store, unique on this node."""

    @property
    def socket(self) -> Socket:
        """Its websocket, which a frame for many clients goes to directly."""

    @property
    def codec(self) -> Codec:
        """The format that it speaks."""

    @property
    def is_slow(self) -> bool:
        """Whether so much waits for it that patches are to be put off."""

    @property
    def is_registered(self) -> bool:
        """Whether the store counts its connection: back ends have no presence."""

    behind: tuple[str, int] | None
    """The directory position (epoch, seq) that it has, while patches are put off; None otherwise."""

    @property
    def synced_to(self) -> tuple[str, int]:
        """The event (epoch, seq) up to which it has everything, as by its welcome."""

    def deliver(self, epoch: str, seq: int, message: bytes) -> None:
        """Send an encoded message that the event (epoch, seq) caused."""

    def send_frame(self, frame: bytes) -> None:
        """Send a websocket frame that is shared with other clients, and only while it is not slow."""

    def charge_directory(self, size_bytes: int) -> None:
        """Charge what it was sent because it subscribed to its rate limit."""

    def close(self, code: CloseCode) -> None:
        """Close the connection."""

    def take_role(self, role: AgentRole) -> bool:
        """Take over the role that its agent has in the directory; return whether it is another one."""

    def sync(self, epoch: str, seq: int) -> None:
        """Take note that it has everything up to an event, and that it is registered in this epoch."""

    def claims_again(self) -> Caller | None:
        """Return with what to register its connection once more; None if it is not registered."""
