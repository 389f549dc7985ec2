"""The store's URL (pure). No error repeats any part of it that may hold a password."""

import os
import re
from dataclasses import dataclass, field
from enum import Enum
from urllib.parse import parse_qsl, unquote, urlsplit

from relevo.router.store.client.connection import ConnectOptions, Server

_OPTION_NAME = re.compile(r"[a-z_]{1,32}")
_TRUE = frozenset({"1", "true", "yes"})
_FALSE = frozenset({"0", "false", "no"})
_TLS_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_CERT_REQS = frozenset({"required", "optional", "none"})


class Deployment(Enum):
    """How the servers of a URL are deployed, in the words of Redis."""

    STANDALONE = "single"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


_SCHEMES = {
    "redis": Deployment.STANDALONE,
    "rediss": Deployment.STANDALONE,
    "unix": Deployment.STANDALONE,
    "redis+sentinel": Deployment.SENTINEL,
    "redis+cluster": Deployment.CLUSTER,
}
_DEFAULT_PORT = {Deployment.STANDALONE: 6379, Deployment.SENTINEL: 26379, Deployment.CLUSTER: 6379}


@dataclass(frozen=True, slots=True)
class StoreUrl:
    """
    A store's URL, read.

    Attributes:
        deployment: How the servers are found.
        servers: The one server, the sentinels, or the cluster's nodes to ask first.
        options: Credentials, database and TLS of the servers that hold the data.
        primary_name: What the sentinels call the primary; empty without sentinels.
        sentinel_options: Credentials and TLS of the sentinels.
    """

    deployment: Deployment
    servers: tuple[Server, ...]
    options: ConnectOptions
    primary_name: str = ""
    sentinel_options: ConnectOptions = field(default_factory=ConnectOptions)


def parse_url(url: str) -> StoreUrl:
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
    deployment = _SCHEMES.get(parts.scheme)
    if deployment is None:
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
        servers = tuple(_server(host, _DEFAULT_PORT[deployment]) for host in hosts.split(","))
    if deployment is Deployment.STANDALONE and len(servers) > 1:
        raise ValueError("several hosts need redis+sentinel:// or redis+cluster://")
    if deployment is Deployment.SENTINEL:
        primary_name = path.strip("/")
        path = ""
        if not primary_name or "/" in primary_name:
            raise ValueError("the name of the primary is missing, as in redis+sentinel://host,host/name")

    query = _query(parts.query)
    database = _database(path, query.pop("db", None))
    if deployment is Deployment.CLUSTER and database:
        raise ValueError("a cluster has database 0 only")
    tls = _tls(query, parts.scheme)
    sentinel_username = query.pop("sentinel_username", None)
    sentinel_password = query.pop("sentinel_password", None)
    sentinel_options = ConnectOptions(sentinel_username, sentinel_password, tls=tls)
    if deployment is not Deployment.SENTINEL and (sentinel_username or sentinel_password):
        raise ValueError("sentinel_username and sentinel_password need redis+sentinel://")
    for name in query:
        shown = name if _OPTION_NAME.fullmatch(name) else "of a malformed name"
        raise ValueError(f"unknown option {shown}")
    options = ConnectOptions(unquote(username) or None, unquote(password) or None, database, tls)
    if options.username and not options.password:
        raise ValueError("the user has no password")
    return StoreUrl(deployment, servers, options, primary_name, sentinel_options)


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


def _query(text: str) -> dict[str, str]:
    query: dict[str, str] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        if name in query:
            raise ValueError("an option stands there twice")
        query[name] = value
    return query


def _database(path: str, option: str | None) -> int:
    if option is not None and path.strip("/"):
        raise ValueError("the database stands there twice: as the path and as db=")
    text = option if option is not None else path.strip("/")
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) < 6):
        raise ValueError("the database is not a number")
    return int(text)


def _tls(query: dict[str, str], scheme: str) -> dict[str, str | bool] | None:
    enabled = _flag("ssl", query.pop("ssl", "true" if scheme == "rediss" else "false"))
    if scheme == "rediss" and not enabled:
        raise ValueError("rediss:// contradicts ssl=false")
    if scheme == "unix" and enabled:
        raise ValueError("a unix socket has no TLS")
    tls: dict[str, str | bool] = {}
    for name in _TLS_FILES:
        if name in query:
            tls[name] = query.pop(name)
            if not os.access(str(tls[name]), os.R_OK):
                raise ValueError(f"{name}: the file cannot be read")
    if "ssl_cert_reqs" in query:
        tls["ssl_cert_reqs"] = query.pop("ssl_cert_reqs")
        if tls["ssl_cert_reqs"] not in _CERT_REQS:
            raise ValueError(f"ssl_cert_reqs is one of {', '.join(sorted(_CERT_REQS))}")
    if "ssl_check_hostname" in query:
        tls["ssl_check_hostname"] = _flag("ssl_check_hostname", query.pop("ssl_check_hostname"))
    if tls and not enabled:
        raise ValueError(f"{next(iter(tls))} needs rediss:// or ssl=true")
    return tls if enabled else None


def _flag(name: str, value: str) -> bool:
    if value.lower() in _TRUE:
        return True
    if value.lower() in _FALSE:
        return False
    raise ValueError(f"{name} is true or false")
