"""
The settings of the router, each with its unit. Pure: settings_sources.py reads them.

The fields of `Settings` are the one table: flags, variables, the keys of a settings file, checks and the
README's list are made from it.
``python -m relevo.router.config README.md`` writes the list into a document.

A bound that the protocol fixes, or that no operator has a reason to choose, is a constant beside its user.
"""

import re
import sys
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

PREFIX: Final = "RELEVO_"
INTEGER_MAX: Final = 2**53 - 1
# RFC 7518 section 3.2: a key for HS256 is at least as long as its hash.
SECRET_BYTES_MIN: Final = 32

_DAY_MS: Final = 24 * 60 * 60 * 1000
_NUMBER: Final = re.compile(r"[0-9]{1,16}")
# Of the unreserved characters of RFC 3986; no segment is `.` or `..`, which clients resolve themselves.
_BASE_PATH: Final = re.compile(r"/(?:(?!\.{1,2}(?:/|$))[A-Za-z0-9._~-]+(?:/|$))*")
_STORE_URL: Final = re.compile(r"(?P<scheme>[a-z+]+://)(?:(?P<login>[^/?#]*)@)?(?P<rest>.*)", re.DOTALL)


class SettingsError(ValueError):
    """A setting is unknown, malformed or at odds with another; the message names it and what was expected."""


@dataclass(frozen=True, slots=True)
class Setting:
    """
    One row of the table.

    Attributes:
        name: The field of `Settings`, as in ``node_lease_ms``.
        default: Its value when it is unset.
        unit: ``ms``, ``bytes``, ``a second``, or empty for a plain count or text.
        meaning: One line for operators.
        minimum: The lowest number allowed; None if it is not a number.
        maximum: The highest number allowed.
        choices: The texts allowed; empty if any is.
        listed: Whether it is a list, separated by commas.
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
    def key(self) -> str:
        """Return its key in a settings file."""
        return self.name.replace("_", "-")

    @property
    def flag(self) -> str:
        """Return its flag on the command line."""
        return f"--{self.key}"


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

    host: str = _text("127.0.0.1", "Address to listen on.")
    port: int = _number(8765, "", "Port to listen on; 0: a free one.", 0, 65535)
    unix_socket: str | None = _text(
        None,
        "Unix socket to listen on, in place of host and port. Its folder's permissions say which users "
        "may connect; all of them are trusted proxies.",
    )
    base_path: str = _text(
        "/", "Path under which everything is served, such as `/chat/`; a proxy passes it on unchanged."
    )
    admin_port: int = _number(
        0,
        "",
        "Port, on the same host, of `/metrics` and of the detail of `/readyz`, which the other port then "
        "does not have; of several workers each takes the next one. 0: none.",
        0,
        65535,
    )
    workers: int = _number(1, "", "Processes on the one port, each a node of its own.", 1, 256)
    log_level: str = _text("info", "Lowest level logged.", choices=("debug", "info", "warning", "error"))
    allowed_origins: tuple[str, ...] = _list(
        "Origins whose pages may connect, use `/api/v1` and load the dialog, separated by commas. Unset: the "
        "host the request was sent to."
    )
    trusted_proxies: tuple[str, ...] = _list(
        "Addresses and networks of proxies whose X-Forwarded-For is believed, separated by commas.",
        ("127.0.0.1", "::1"),
    )
    console_embedders: tuple[str, ...] = _list(
        "Origins whose pages may embed the console and sign in to it, separated by commas. Unset: none."
    )

    redis_url: str | None = _text(
        None,
        "Store: redis://, rediss://, unix://, redis+sentinel://host,host/name or "
        "redis+cluster://host,host. Unset: the bundled Valkey.",
        secret=True,
    )
    redis_password: str | None = _text(
        None, "Password of the store, where RELEVO_REDIS_URL has none.", secret=True
    )
    data_dir: str = _text("relevo-data", "Folder of the bundled Valkey's data.")
    store_timeout_ms: int = _number(2000, "ms", "Time-out of a store command.")

    durability: str = _text(
        "memory",
        "When a change is acknowledged: the store has it in memory, its append-only file is on the disk "
        "(WAITAOF), or its replicas have it (WAIT).",
        choices=("memory", "fsync", "replica"),
    )
    durability_replicas: int = _number(1, "", "Number of replicas with durability `replica`.", 1, 100)
    durability_timeout_ms: int = _number(
        3000, "ms", "Time-out of the disk or the replicas; then the answer is `unavailable`."
    )

    jwt_secret: str | None = _text(
        None, "Secret of HS256 tokens, 32 bytes or more. Prefer the variable to the flag.", secret=True
    )
    jwt_secret_old: str | None = _text(
        None, "Secret that RELEVO_JWT_SECRET replaces; its tokens count until this is unset.", secret=True
    )
    jwt_public_key_file: str | None = _text(
        None, "PEM file with the public key of RS256, ES256 or EdDSA tokens."
    )
    jwt_public_key_file_old: str | None = _text(
        None, "PEM file that RELEVO_JWT_PUBLIC_KEY_FILE replaces; its tokens count until this is unset."
    )
    jwks: str | None = _text(None, "File or http(s) URL of the public keys (JWKS) of tokens.")
    jwt_issuer: str | None = _text(None, "Required `iss` of a token. Unset: not checked.")
    jwt_audience: str | None = _text(None, "Required `aud` of a token. Unset: not checked.")
    jwt_claim_tenant: str = _text(
        "tenant", "Claim that holds the tenant: a name, or a path through maps such as `org.id`."
    )
    jwt_claim_role: str = _text(
        "role", "Claim that holds the role, or a list in which the highest counts; a name or a path."
    )
    jwt_claim_name: str = _text("name", "Claim that holds the agent's name; a name or a path.")
    jwt_claim_departments: str = _text(
        "departments", "Claim that holds the ids of the agent's departments; a name or a path."
    )
    jwt_claim_capacity: str = _text("capacity", "Claim that holds the agent's capacity; a name or a path.")
    jwt_leeway_ms: int = _number(
        5000, "ms", "Time by which `nbf` and `iat` of a token may lie ahead (clock skew); `exp` has none.", 0
    )

    ping_interval_ms: int = _number(20_000, "ms", "Time between two pings (heartbeats) of a connection.")
    ping_timeout_ms: int = _number(20_000, "ms", "Time-out of a ping's answer.")
    presence_grace_ms: int = _number(
        10_000, "ms", "Time for which an agent keeps its status after its last connection dropped.", 0
    )
    session_grace_ms: int = _number(
        30_000, "ms", "Time after the drop at which an agent's sessions in progress become pending.", 0
    )
    node_lease_ms: int = _number(6000, "ms", "Lease of a node; it is renewed three times as often.", 10)
    drain_delay_ms: int = _number(
        0,
        "ms",
        "Time for which a stopping node says that it is not ready, but serves on, before it drains: what "
        "balancers need to notice.",
        0,
    )
    drain_ms: int = _number(5000, "ms", "Time over which a stopping node closes its connections.", 0)
    closed_retention_ms: int = _number(7 * _DAY_MS, "ms", "Time for which a closed session can be read.")

    agents_max: int = _number(
        20_000, "", "Agents of a tenant; its directory, which every dialog receives, holds all of them."
    )
    departments_max: int = _number(2000, "", "Departments of a tenant.")
    sessions_max: int = _number(200_000, "", "Open sessions of a tenant.")
    history_max: int = _number(
        10_000, "", "Entries of a session after which it takes no more, and is only accepted or closed."
    )
    connections_max: int = _number(50_000, "", "Connections of a node.")
    connections_per_address_max: int = _number(
        20_000,
        "",
        "Websockets of one address per node, and as many HTTP connections; see below on reverse proxies.",
    )
    connections_per_agent_max: int = _number(20, "", "Connections of an agent, on all nodes together.")
    connect_rate: int = _number(
        500,
        "a second",
        "Rate at which one address may open websockets per node, and as many HTTP connections; 0: none.",
        0,
        10**6,
    )
    refused_token_rate: int = _number(
        20,
        "a second",
        "Rate of refused tokens of one address per node; beyond, nothing from there is looked at; 0: none.",
        0,
        10**6,
    )
    message_rate: int = _number(
        1000, "a second", "Rate limit of one connection. The burst of a rate is 4 s of it.", 1, 10**6
    )
    agent_message_rate: int = _number(
        1000, "a second", "Rate limit of one agent over its devices and HTTP, per node; 0: none.", 0, 10**6
    )
    back_end_message_rate: int = _number(
        5000, "a second", "Rate limit of one back end over HTTP and websockets, per node; 0: none.", 0, 10**6
    )
    tenant_message_rate: int = _number(
        5000, "a second", "Rate limit of one tenant, per node; 0: none.", 0, 10**6
    )
    outbox_hard_bytes: int = _number(
        4_194_304,
        "bytes",
        "Bytes queued for a connection at which it is closed with 4001; from a sixteenth on, its patches are "
        "conflated further.",
        2048,
    )

    def __post_init__(self) -> None:
        """Raise SettingsError where a value is out of range or two do not fit together."""
        for setting in SETTINGS:
            _check(setting, getattr(self, setting.name), setting.variable)
        if self.durability == "replica" and self.redis_url is None:
            needed = f"{BY_NAME['redis_url'].variable}: the bundled Valkey has no replicas"
            raise SettingsError(f"{BY_NAME['durability'].variable}=replica needs {needed}")
        for proxy in self.trusted_proxies:
            try:
                ip_network(proxy)
            except ValueError as error:
                raise SettingsError(f"{BY_NAME['trusted_proxies'].variable}: {error}") from None
        if not _BASE_PATH.fullmatch(self.base_path):
            expected = "a path such as /chat/, of letters, digits, `-`, `.`, `_` and `~`"
            raise SettingsError(f"{BY_NAME['base_path'].variable} must be {expected}, not {self.base_path!r}")
        if self.admin_port + self.workers > 65536:
            raise SettingsError(f"{BY_NAME['admin_port'].variable} leaves no port for each of the workers")
        self._check_password()
        if len(self.key_sources) > 1:
            raise SettingsError(f"set only one of {', '.join(self.key_sources)}")
        for name in ("jwt_secret", "jwt_public_key_file"):
            old = BY_NAME[f"{name}_old"]
            if getattr(self, old.name) is not None and getattr(self, name) is None:
                raise SettingsError(f"{old.variable} needs {BY_NAME[name].variable}, which replaces it")

    def _check_password(self) -> None:
        variable, url = BY_NAME["redis_password"].variable, BY_NAME["redis_url"].variable
        if self.redis_password is not None:
            if self.redis_url is None:
                raise SettingsError(f"{variable} needs {url}: the bundled Valkey has none")
            login = _STORE_URL.fullmatch(self.redis_url)
            if login is not None and ":" in (login["login"] or ""):
                raise SettingsError(f"{url} has a password, and so has {variable}: set one")

    @property
    def path_prefix(self) -> str:
        """Return what stands before the ``/`` of each path: empty, or as in ``/chat``."""
        return self.base_path.rstrip("/")

    @property
    def store_url(self) -> str | None:
        """Return the store's URL with its password in it; None for the bundled store."""
        if self.redis_url is None or self.redis_password is None:
            return self.redis_url
        parts = _STORE_URL.fullmatch(self.redis_url)
        if parts is None:
            return self.redis_url
        return (
            f"{parts['scheme']}{parts['login'] or ''}:{quote(self.redis_password, safe='')}@{parts['rest']}"
        )

    @property
    def node_renew_ms(self) -> int:
        """Return the time between two renewals of a lease: two may fail before it expires."""
        return max(1, self.node_lease_ms // 3)

    @property
    def outbox_soft_bytes(self) -> int:
        """Return the bytes queued for a connection above which it counts as slow (back-pressure)."""
        return self.outbox_hard_bytes // 16

    @property
    def has_weak_secret(self) -> bool:
        """Return whether a secret of tokens is shorter than its hash, and so the easiest thing to guess."""
        secrets = (self.jwt_secret, self.jwt_secret_old)
        return any(secret is not None and len(secret.encode()) < SECRET_BYTES_MIN for secret in secrets)

    @property
    def key_sources(self) -> tuple[str, ...]:
        """Return the variables that say how tokens are verified; one at most, none if nothing does."""
        names = ("jwt_secret", "jwt_public_key_file", "jwks")
        return tuple(BY_NAME[name].variable for name in names if getattr(self, name) is not None)


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


BEGIN: Final = "<!-- settings: written by `make docs` -->\n"
END: Final = "<!-- end of settings -->\n"

SETTINGS: Final = _rows()
BY_NAME: Final = {setting.name: setting for setting in SETTINGS}


def parse(setting: Setting, text: str, shown: str) -> Any:
    """
    Return a setting's value.

    Args:
        setting: The setting.
        text: What was given for it. An empty text is the same as none.
        shown: What to call it in an error.

    Raises:
        SettingsError: It is malformed or out of range.
    """
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


def with_table(text: str) -> str:
    """
    Return a document with the table of settings between its two marks.

    Args:
        text: The document, in Markdown.

    Raises:
        ValueError: It does not have both marks, in their order.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the document needs the lines {BEGIN.strip()} and {END.strip()}")
    return f"{before}{BEGIN}\n{settings_table()}\n{END}{after}"


if __name__ == "__main__":
    document = Path(sys.argv[1])
    document.write_text(with_table(document.read_text()))
