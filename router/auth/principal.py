"""The subject of a verified token."""

import msgspec

from relevo.protocol import Role


class Principal(msgspec.Struct, frozen=True, gc=False):
    """
    The subject of a verified token.

    Attributes:
        tenant: The tenant's id.
        sub: The agent's id, or the back end's.
        role: Its role.
        name: The agent's name, if the token says one.
        departments: The ids of the agent's departments, if the token says so.
        capacity: The sessions the agent may have in progress, if the token says so.
        issued_at: When the token was issued, in seconds since the Unix epoch; 0 if it does not say.
        expires_at: When the token ends, in milliseconds since the Unix epoch.
    """

    tenant: str
    sub: str
    role: Role
    name: str | None
    departments: tuple[str, ...] | None
    capacity: int | None
    expires_at: int
    issued_at: int = 0
