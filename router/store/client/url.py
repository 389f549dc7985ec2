"""Read a store's URL (pure). No error here repeats any part of the URL that may hold a password."""

import os
import re
from dataclasses import dataclass, field
from enum import Enum
from urllib.parse import parse_qsl, unquote, urlsplit

from relevo.router.store.client.connection import Access, Server

_OPTION_NAME = re.compile(r"[a-z_]{1,32}")
_TRUE = frozenset({"1", "true", "yes"})
_FALSE = frozenset({"0", "false", "no"})
_TLS_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_CERT_REQS = frozenset({"required", "optional", "none"})


class Kind(Enum):
    """How the servers behind a URL are found."""

    SINGLE = "single"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


_SCHEMES = {
    "redis": Kind.SINGLE,
    "rediss": Kind.SINGLE,
    "unix": Kind.SINGLE,
    "redis+sentinel": Kind.SENTINEL,
    "redis+cluster": Kind.CLUSTER,
}
_DEFAULT_PORT = {Kind.SINGLE: 6379, Kind.SENTINEL: 26379, Kind.CLUSTER: 6379}


@dataclass(frozen=True, slots=True)
class Address:
    """
    A store's URL, read.

    Attributes:
        kind: How the servers are found.
        servers: The one server, the sentinels, or the cluster's nodes to ask first.
        access: How the servers that hold the data let the router in.
        primary_name: What the sentinels call the primary; empty without sentinels.
        sentinel_access: How the sentinels let the router in.
    """

    kind: Kind
    servers: tuple[Server, ...]
    access: Access
    primary_name: str = ""
    sentinel_access: Access = field(default_factory=Access)


def parse_address(url: str) -> Address:
    """
    Read a store's URL.

    Args:
        url: ``redis://``, ``rediss://``, ``unix://``, ``redis+sentinel://host,host/name`` or
            ``redis+cluster://host,host``; user and password percent-encoded before an ``@``; the database as
            the path (``db=`` where the path is something else); TLS by ``rediss`` or ``ssl=true`` and the
            ``ssl_*`` options ``ssl_ca_certs``, ``ssl_certfile``, ``ssl_keyfile``, ``ssl_cert_reqs``,
            ``ssl_check_hostname``; ``sentinel_username`` and ``sentinel_password`` for the sentinels
            themselves.

    Raises:
        ValueError: It is malformed; the message names what, and shows nothing of it.
    """
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        # Without the cause: its message repeats the part with the password.
        raise ValueError("the host part of the URL is malformed") from None
    kind = _SCHEMES.get(parts.scheme)
    if kind is None:
        raise ValueError(f"the URL must start with one of {', '.join(f'{scheme}://' for scheme in _SCHEMES)}")
    if parts.fragment or "@" in parts.path + parts.query:
        escapes = "%2F for /, %23 for #, %3F for ?, %40 for @"
        raise ValueError(f"user and password must be percent-encoded ({escapes})")
    login, _, hosts = parts.netloc.rpartition("@")
    username, _, password = login.partition(":")
    path = unquote(parts.path)
    primary_name = ""
    if parts.scheme == "unix":
        if hosts or path in ("", "/"):
            raise ValueError("a unix:// URL needs an absolute path, as in unix:///run/redis.sock")
        servers: tuple[Server, ...] = (Server(path=path),)
        path = ""
    else:
        servers = tuple(_server(host, _DEFAULT_PORT[kind]) for host in hosts.split(","))
    if kind is Kind.SINGLE and len(servers) > 1:
        raise ValueError("several hosts need redis+sentinel:// or redis+cluster://")
    if kind is Kind.SENTINEL:
        primary_name = path.strip("/")
        path = ""
        if not primary_name or "/" in primary_name:
            raise ValueError("the name of the primary is missing, as in redis+sentinel://host,host/name")

    options = _options(parts.query)
    database = _database(path, options.pop("db", None))
    if kind is Kind.CLUSTER and database:
        raise ValueError("a cluster has database 0 only")
    tls = _tls(options, parts.scheme)
    sentinel_username = options.pop("sentinel_username", None)
    sentinel_password = options.pop("sentinel_password", None)
    sentinel_access = Access(sentinel_username, sentinel_password, tls=tls)
    if kind is not Kind.SENTINEL and (sentinel_username or sentinel_password):
        raise ValueError("sentinel_username and sentinel_password need redis+sentinel://")
    for name in options:
        shown = name if _OPTION_NAME.fullmatch(name) else "of a malformed name"
        raise ValueError(f"unknown option {shown}")
    access = Access(unquote(username) or None, unquote(password) or None, database, tls)
    if access.username and not access.password:
        raise ValueError("the user has no password")
    return Address(kind, servers, access, primary_name, sentinel_access)


def _server(text: str, default_port: int) -> Server:
    if text.startswith("["):
        host, closed, rest = text[1:].partition("]")
        if not closed or (rest and not rest.startswith(":")):
            raise ValueError("an IPv6 address stands in brackets, as in [::1]:6379")
        port_text = rest[1:]
    else:
        host, _, port_text = text.partition(":")
    if not host:
        raise ValueError("a host is empty")
    if not port_text:
        return Server(host, default_port)
    if not (port_text.isascii() and port_text.isdigit() and 0 < int(port_text[:6]) < 65536):
        raise ValueError("a port is not a number from 1 to 65535 (is a password not percent-encoded?)")
    return Server(host, int(port_text))


def _options(query: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name in options:
            raise ValueError("an option stands there twice")
        options[name] = value
    return options


def _database(path: str, option: str | None) -> int:
    if option is not None and path.strip("/"):
        raise ValueError("the database stands there twice: as the path and as db=")
    text = option if option is not None else path.strip("/")
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) < 6):
        raise ValueError("the database is not a number")
    return int(text)


def _tls(options: dict[str, str], scheme: str) -> dict[str, str | bool] | None:
    enabled = _flag("ssl", options.pop("ssl", "true" if scheme == "rediss" else "false"))
    if scheme == "rediss" and not enabled:
        raise ValueError("rediss:// contradicts ssl=false")
    if scheme == "unix" and enabled:
        raise ValueError("a unix socket has no TLS")
    tls: dict[str, str | bool] = {}
    for name in _TLS_FILES:
        if name in options:
            tls[name] = options.pop(name)
            if not os.access(str(tls[name]), os.R_OK):
                raise ValueError(f"{name}: the file cannot be read")
    if "ssl_cert_reqs" in options:
        tls["ssl_cert_reqs"] = options.pop("ssl_cert_reqs")
        if tls["ssl_cert_reqs"] not in _CERT_REQS:
            raise ValueError(f"ssl_cert_reqs is one of {', '.join(sorted(_CERT_REQS))}")
    if "ssl_check_hostname" in options:
        tls["ssl_check_hostname"] = _flag("ssl_check_hostname", options.pop("ssl_check_hostname"))
    if tls and not enabled:
        raise ValueError(f"{next(iter(tls))} needs rediss:// or ssl=true")
    return tls if enabled else None


def _flag(name: str, value: str) -> bool:
    if value.lower() in _TRUE:
        return True
    if value.lower() in _FALSE:
        return False
    raise ValueError(f"{name} is true or false")
