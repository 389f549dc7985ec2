"""
Hold every setting and limit of the router, each with its unit; read once, from flags and RELEVO_* variables.

The fields of `Settings` are the one table: flags, variables, checks and the README's list are made from it.
"""

import difflib
import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from ipaddress import ip_network
from typing import Any, Final

PREFIX: Final = "RELEVO_"
# What `watch` and programs with a client read; a shell in which they run can run a router, too.
CLIENT_VARIABLES: Final = frozenset({"RELEVO_TOKEN", "RELEVO_SERVICE_TOKEN"})
INTEGER_MAX: Final = 2**53 - 1
# RFC 7518 section 3.2: a key for HS256 is at least as long as its hash.
SECRET_BYTES_MIN: Final = 32

_DAY_MS: Final = 24 * 60 * 60 * 1000
_NUMBER: Final = re.compile(r"[0-9]{1,16}")


class SettingsError(ValueError):
    """A setting is unknown, malformed or at odds with another; the message names it and what was expected."""


@dataclass(frozen=True, slots=True)
class Setting:
    """
    One row of the table.

    Attributes:
        name: The field of `Settings`, as in ``node_lease_ms``.
        default: Its value when nobody sets it.
        unit: ``ms``, ``bytes``, ``a second``, or empty for a plain count or text.
        meaning: One line for whoever runs the router.
        minimum: The least allowed number; None for what is not a number.
        maximum: The greatest allowed number.
        choices: The texts allowed; empty where any is.
        listed: Whether it is a list, written with commas.
        secret: Whether its value must not be shown.
    """

    name: str
    default: Any
    unit: str
    meaning: str
    minimum: int | None
    maximum: int
    choices: tuple[str, ...]
    listed: bool
    secret: bool

    @property
    def variable(self) -> str:
        """Return the name of its environment variable."""
        return PREFIX + self.name.upper()

    @property
    def flag(self) -> str:
        """Return its flag on the command line."""
        return "--" + self.name.replace("_", "-")


def _number(default: int, unit: str, meaning: str, minimum: int = 1, maximum: int = INTEGER_MAX) -> Any:
    metadata = {"unit": unit, "meaning": meaning, "minimum": minimum, "maximum": maximum}
    return field(default=default, metadata=metadata)


def _text(default: str | None, meaning: str, *, choices: tuple[str, ...] = (), secret: bool = False) -> Any:
    metadata = {"meaning": meaning, "choices": choices, "secret": secret}
    return field(default=default, metadata=metadata, repr=not secret)


def _list(meaning: str, default: tuple[str, ...] = ()) -> Any:
    return field(default=default, metadata={"meaning": meaning, "listed": True})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """
    Every setting, checked. Times are milliseconds, sizes bytes; what ends in ``_max`` is a bound.

    Raises:
        SettingsError: A value is out of its range, or two do not fit together.
    """

    host: str = _text("127.0.0.1", "The address to listen on.")
    port: int = _number(8765, "", "The port to listen on; 0 takes a free one.", 0, 65535)
    workers: int = _number(1, "", "Processes on the one port, each a node of its own.", 1, 256)
    log_level: str = _text("info", "The least level logged.", choices=("debug", "info", "warning", "error"))
    allowed_origins: tuple[str, ...] = _list(
        "Origins whose pages may connect, with commas between. None: the host the request was sent to."
    )
    trusted_proxies: tuple[str, ...] = _list(
        "Addresses and networks of proxies whose X-Forwarded-For is believed, with commas between.",
        ("127.0.0.1", "::1"),
    )
    console_embedders: tuple[str, ...] = _list(
        "Origins whose pages may show the console in a frame and sign in to it. None: its own only."
    )

    redis_url: str | None = _text(
        None,
        "The store: redis://, rediss://, unix://, redis+sentinel://host,host/name or "
        "redis+cluster://host,host. None: the bundled Valkey.",
        secret=True,
    )
    data_dir: str = _text("relevo-data", "The folder in which the bundled Valkey keeps its data.")
    store_start_ms: int = _number(30_000, "ms", "How long the bundled Valkey may take to start or to stop.")
    store_timeout_ms: int = _number(2000, "ms", "How long the store may take to answer.")
    store_queue_max: int = _number(
        20_000, "", "Commands that may wait for the store, per node; at most half of them for one tenant."
    )

    durability: str = _text(
        "memory",
        "What a change waits for before it is acknowledged: nothing more than the store's answer, its "
        "append-only file on the disk, or its replicas.",
        choices=("memory", "fsync", "replica"),
    )
    durability_replicas: int = _number(1, "", "How many replicas, with durability `replica`.", 1, 100)
    durability_timeout_ms: int = _number(
        3000, "ms", "How long the disk or the replicas may take; then the answer is `unavailable`."
    )

    jwt_secret: str | None = _text(
        None, "The secret of HS256 tokens, 32 bytes or more. Better a variable than a flag.", secret=True
    )
    jwt_public_key_file: str | None = _text(
        None, "A PEM file with the public key of RS256, ES256 or EdDSA tokens."
    )
    jwks: str | None = _text(None, "A file or an http(s) URL with the public keys (JWKS) of tokens.")
    jwt_issuer: str | None = _text(None, "What a token's iss must be. None: not looked at.")
    jwt_audience: str | None = _text(None, "What a token's aud must hold. None: not looked at.")
    jwks_timeout_ms: int = _number(3000, "ms", "How long reading the JWKS may take.")
    jwks_refresh_ms: int = _number(300_000, "ms", "The age at which the JWKS is read again.", 1000)
    jwks_retry_ms: int = _number(
        10_000, "ms", "The least time between two readings of the JWKS, as for a token with an unknown key."
    )
    tokens_remembered_max: int = _number(
        50_000, "", "Tokens whose signature is not looked at again while its key is in use, per node."
    )
    token_expiring_ms: int = _number(60_000, "ms", "How long before its end a token is said to expire.")

    http_request_timeout_ms: int = _number(10_000, "ms", "How long an HTTP request may take to arrive.")
    http_connections_max: int = _number(
        20_000, "", "HTTP connections per node; a websocket counts here until its handshake is done."
    )
    hello_timeout_ms: int = _number(10_000, "ms", "How long a connection may take to say hello.")
    ping_interval_ms: int = _number(20_000, "ms", "The time between two pings to one connection.")
    ping_timeout_ms: int = _number(20_000, "ms", "How long a connection may take to answer a ping.")
    presence_grace_ms: int = _number(
        10_000, "ms", "How long an agent whose last connection dropped keeps its status.", 0
    )
    session_grace_ms: int = _number(
        30_000, "ms", "How long after the drop an agent's sessions in progress become pending.", 0
    )
    node_lease_ms: int = _number(6000, "ms", "How long a node counts as alive after its last renewal.", 10)
    drain_ms: int = _number(5000, "ms", "The time over which a stopping node sends its connections away.", 0)
    key_ttl_ms: int = _number(600_000, "ms", "How long an idempotency key's first reply is kept.")
    closed_retention_ms: int = _number(7 * _DAY_MS, "ms", "How long a closed session can still be read.")

    agents_max: int = _number(
        20_000, "", "Agents of a tenant; all of them are in its directory, which every dialog is sent."
    )
    departments_max: int = _number(2000, "", "Departments of a tenant.")
    sessions_max: int = _number(200_000, "", "Open sessions of a tenant.")
    history_max: int = _number(
        10_000, "", "Entries of a session after which it is written on no more, and only accepted or closed."
    )
    events_max: int = _number(4096, "", "Events kept per tenant, to repair a gap from.", 16)
    feed_buffer_max: int = _number(4096, "", "Events that may wait while a tenant's directory is read.")
    tenants_max: int = _number(10_000, "", "Tenants served at once, per node.")
    tenant_idle_ms: int = _number(60_000, "ms", "How long a tenant without connections stays in memory.")
    replica_tombstones_max: int = _number(1000, "", "Removed rows a tenant's directory remembers.")
    patch_window_ms: int = _number(10, "ms", "How long changes are gathered into one patch.", 0, 50)
    patch_window_busy_ms: int = _number(50, "ms", "The same under load.", 0, 50)
    connections_max: int = _number(50_000, "", "Connections per node.")
    connections_per_address_max: int = _number(
        20_000,
        "",
        "Websockets of one address per node, and as many HTTP connections; see below on reverse proxies.",
    )
    connections_per_agent_max: int = _number(20, "", "Connections of one agent, on all nodes together.")
    message_rate: int = _number(1000, "a second", "Messages of one connection, in the long run.", 1, 10**6)
    message_burst: int = _number(4000, "", "Messages of one connection at once.", 1, 10**6)
    agent_message_rate: int = _number(
        1000, "a second", "Messages of one agent over all its devices and HTTP, per node; 0: any.", 0, 10**6
    )
    agent_message_burst: int = _number(4000, "", "The same at once.", 1, 10**6)
    back_end_message_rate: int = _number(
        5000, "a second", "Messages of one back end over HTTP and websockets, per node; 0: any.", 0, 10**6
    )
    back_end_message_burst: int = _number(20_000, "", "The same at once.", 1, 10**6)
    tenant_message_rate: int = _number(
        5000, "a second", "Messages of one tenant, per node; 0: any.", 0, 10**6
    )
    tenant_message_burst: int = _number(20_000, "", "The same at once.", 1, 10**6)
    rate_buckets_max: int = _number(
        10_000, "", "Callers, and tenants, whose messages stay counted after they left, per node."
    )
    in_flight_max: int = _number(256, "", "Unanswered commands of one connection.")
    tenant_in_flight_max: int = _number(
        500, "", "Unanswered commands of one tenant, per node; beyond it, its connections take turns."
    )
    tenant_turn_max: int = _number(
        32, "", "Commands of one tenant begun in a turn of the loop, and sent in a batch to the store."
    )
    tenant_hellos_max: int = _number(
        200, "", "Hellos of one tenant in hand, and ends of connections, per node; others take turns."
    )
    message_bytes_max: int = _number(
        65_536, "bytes", "An inbound message; a longer one closes with 1009.", 1024
    )
    outbox_soft_bytes: int = _number(
        262_144, "bytes", "What waits for one connection before its patches are merged further.", 1024
    )
    outbox_hard_bytes: int = _number(
        4_194_304, "bytes", "What waits for one connection before it is closed with 4001.", 2048
    )

    def __post_init__(self) -> None:
        """Refuse what is out of range or does not fit together."""
        for setting in SETTINGS:
            _check(setting, getattr(self, setting.name), setting.variable)
        for smaller, larger, strictly in _ORDERED:
            low, high = getattr(self, smaller), getattr(self, larger)
            if low > high or (strictly and low == high):
                relation = "less than" if strictly else "at most"
                first, second = BY_NAME[smaller].variable, BY_NAME[larger].variable
                raise SettingsError(f"{first} ({low}) must be {relation} {second} ({high})")
        if self.durability == "replica" and self.redis_url is None:
            needed = f"{BY_NAME['redis_url'].variable}: the bundled Valkey has no replicas"
            raise SettingsError(f"{BY_NAME['durability'].variable}=replica needs {needed}")
        for proxy in self.trusted_proxies:
            try:
                ip_network(proxy)
            except ValueError as error:
                raise SettingsError(f"{BY_NAME['trusted_proxies'].variable}: {error}") from None
        if len(self.key_sources) > 1:
            raise SettingsError(f"set only one of {', '.join(self.key_sources)}")

    @property
    def node_renew_ms(self) -> int:
        """Return the time between two renewals of a lease: two may fail before it runs out."""
        return max(1, self.node_lease_ms // 3)

    @property
    def has_weak_secret(self) -> bool:
        """Return whether the secret of tokens is shorter than its hash, and so the easiest thing to guess."""
        return self.jwt_secret is not None and len(self.jwt_secret.encode()) < SECRET_BYTES_MIN

    @property
    def key_sources(self) -> tuple[str, ...]:
        """Return the variables that say how tokens are verified; one at most, none if nothing does."""
        names = ("jwt_secret", "jwt_public_key_file", "jwks")
        return tuple(BY_NAME[name].variable for name in names if getattr(self, name) is not None)


# Smaller, larger, and whether they must differ.
_ORDERED: Final = (
    ("patch_window_ms", "patch_window_busy_ms", False),
    ("outbox_soft_bytes", "outbox_hard_bytes", True),
    ("jwks_timeout_ms", "jwks_refresh_ms", False),
    ("jwks_retry_ms", "jwks_refresh_ms", False),
)


def _row(name: str, default: Any, metadata: Mapping[str, Any]) -> Setting:
    return Setting(
        name=name,
        default=default,
        unit=metadata.get("unit", ""),
        meaning=metadata["meaning"],
        minimum=metadata.get("minimum"),
        maximum=metadata.get("maximum", INTEGER_MAX),
        choices=metadata.get("choices", ()),
        listed=metadata.get("listed", False),
        secret=metadata.get("secret", False),
    )


def _rows() -> tuple[Setting, ...]:
    table = []
    for column in fields(Settings):
        if column.default is MISSING:
            raise TypeError(f"the setting {column.name} has no default")
        table.append(_row(column.name, column.default, column.metadata))
    return tuple(table)


SETTINGS: Final = _rows()
BY_NAME: Final = {setting.name: setting for setting in SETTINGS}
_BY_VARIABLE: Final = {setting.variable: setting for setting in SETTINGS}


def read_settings(flags: Mapping[str, str | None], environ: Mapping[str, str]) -> Settings:
    """
    Make the settings from what was given; a flag goes before a variable.

    Args:
        flags: Texts by the names of known settings, as in ``node_lease_ms``; None for a flag not given.
        environ: The environment. Only what starts with ``RELEVO_`` is looked at, and all of that must be
            known, here or to clients. An empty text is the same as none.

    Raises:
        SettingsError: One is unknown, malformed, out of range or at odds with another.
    """
    values: dict[str, Any] = {}
    for variable, text in sorted(environ.items()):
        if not variable.startswith(PREFIX) or variable in CLIENT_VARIABLES:
            continue
        setting = _BY_VARIABLE.get(variable)
        if setting is None:
            close = difflib.get_close_matches(variable.removeprefix(PREFIX).lower(), BY_NAME, 1)
            suggestion = f"; did you mean {BY_NAME[close[0]].variable}?" if close else ""
            raise SettingsError(f"unknown setting {variable}{suggestion}")
        if flags.get(setting.name) is None:
            values[setting.name] = _parse(setting, text, variable)
    for name, given in flags.items():
        if given is not None:
            values[name] = _parse(BY_NAME[name], given, BY_NAME[name].flag)
    return Settings(**values)


def _parse(setting: Setting, text: str, shown: str) -> Any:
    value: Any = text
    if setting.minimum is not None:
        if not _NUMBER.fullmatch(text):
            raise SettingsError(f"{shown} must be {_expected(setting)}, not {text!r}")
        value = int(text)
    elif setting.listed:
        value = tuple(part.strip() for part in text.split(",") if part.strip())
    elif not text:
        value = setting.default
    _check(setting, value, shown)
    return value


def _check(setting: Setting, value: Any, shown: str) -> None:
    if setting.minimum is not None:
        if not setting.minimum <= value <= setting.maximum:
            raise SettingsError(f"{shown} must be {_expected(setting)}, not {value}")
    elif setting.choices and value not in setting.choices:
        raise SettingsError(f"{shown} must be one of {', '.join(setting.choices)}, not {value!r}")


def _expected(setting: Setting) -> str:
    unit = {"ms": " of milliseconds", "bytes": " of bytes"}.get(setting.unit, "")
    if setting.maximum == INTEGER_MAX:
        return f"a whole number{unit}, at least {setting.minimum}"
    return f"a whole number{unit} from {setting.minimum} to {setting.maximum}"


def settings_table() -> str:
    """Return the table of all settings as Markdown, as the README shows it."""
    lines = ["| variable | default | meaning |", "|---|---|---|"]
    for setting in SETTINGS:
        if setting.default is None or setting.default == ():
            default = ""
        elif setting.listed:
            default = f"`{','.join(setting.default)}`"
        else:
            default = f"`{setting.default}`" + (f" {setting.unit}" if setting.unit else "")
        meaning = setting.meaning
        if setting.choices:
            meaning += f" One of {', '.join(f'`{choice}`' for choice in setting.choices)}."
        lines.append(f"| `{setting.variable}` | {default} | {meaning} |")
    return "\n".join(lines) + "\n"
