from pathlib import Path

import pytest

from relevo.router.store.client.connection import ConnectOptions, Server
from relevo.router.store.client.url import Deployment, StoreUrl, parse_url


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            "redis://localhost",
            StoreUrl(Deployment.STANDALONE, (Server("localhost", 6379),), ConnectOptions()),
        ),
        (
            "redis://10.0.0.1:7000/2",
            StoreUrl(Deployment.STANDALONE, (Server("10.0.0.1", 7000),), ConnectOptions(database=2)),
        ),
        ("redis://h?db=3", StoreUrl(Deployment.STANDALONE, (Server("h", 6379),), ConnectOptions(database=3))),
        ("redis://[::1]:7000", StoreUrl(Deployment.STANDALONE, (Server("::1", 7000),), ConnectOptions())),
        (
            "redis://:pa%2Fss@h",
            StoreUrl(Deployment.STANDALONE, (Server("h", 6379),), ConnectOptions(password="pa/ss")),
        ),
        ("redis://u:p@h", StoreUrl(Deployment.STANDALONE, (Server("h", 6379),), ConnectOptions("u", "p"))),
        ("rediss://h", StoreUrl(Deployment.STANDALONE, (Server("h", 6379),), ConnectOptions(tls={}))),
        (
            "unix:///run/s.sock",
            StoreUrl(Deployment.STANDALONE, (Server(path="/run/s.sock"),), ConnectOptions()),
        ),
        (
            "unix://u:p@/s?db=1",
            StoreUrl(Deployment.STANDALONE, (Server(path="/s"),), ConnectOptions("u", "p", 1)),
        ),
        (
            "redis+sentinel://:p@a,b:27000/main?db=1&sentinel_password=s",
            StoreUrl(
                Deployment.SENTINEL,
                (Server("a", 26379), Server("b", 27000)),
                ConnectOptions(password="p", database=1),
                "main",
                ConnectOptions(password="s"),
            ),
        ),
        (
            "redis+cluster://u:p@a:7000,b?ssl=true&ssl_cert_reqs=none&ssl_check_hostname=false",
            StoreUrl(
                Deployment.CLUSTER,
                (Server("a", 7000), Server("b", 6379)),
                ConnectOptions("u", "p", tls={"ssl_cert_reqs": "none", "ssl_check_hostname": False}),
                sentinel_options=ConnectOptions(tls={"ssl_cert_reqs": "none", "ssl_check_hostname": False}),
            ),
        ),
    ],
)
def test_url_names_servers_and_options(url: str, expected: StoreUrl) -> None:
    read = parse_url(url)
    assert (read.deployment, read.servers, read.options) == (
        expected.deployment,
        expected.servers,
        expected.options,
    )
    assert read.primary_name == expected.primary_name
    assert read.sentinel_options.password == expected.sentinel_options.password


def test_url_options_name_the_files_of_tls(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("")
    read = parse_url(f"rediss://h?ssl_ca_certs={file}&ssl_certfile={file}&ssl_keyfile={file}")
    names = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
    assert read.options.tls == dict.fromkeys(names, str(file))


@pytest.mark.parametrize(
    ("url", "wrong"),
    [
        ("", "must start with"),
        ("http://secret@h", "must start with"),
        ("redis://", "host is empty"),
        ("redis://:secret@", "host is empty"),
        ("redis://:secret@h:x", "port"),
        ("redis://:secret@h:0", "port"),
        ("redis://:secret@h:70000", "port"),
        ("redis://:secret@[::1", "malformed"),
        ("redis://:secret@h/one", "database"),
        ("redis://:secret@h/1?db=2", "twice"),
        ("redis://:secret@a,b", "several hosts"),
        ("redis://:sec/ret@h", "percent-encoded"),
        ("redis://:sec#ret@h", "percent-encoded"),
        ("redis://:sec?ret@h", "percent-encoded"),
        ("redis://secret@h", "no password"),
        ("redis://h?secret=1", "unknown option secret"),
        ("redis://h?SECRET=1", "of a malformed name"),
        ("redis://h?db=1&db=2", "twice"),
        ("redis://h?ssl=perhaps", "ssl is true or false"),
        ("redis://h?ssl_cert_reqs=none", "needs rediss"),
        ("rediss://h?ssl_cert_reqs=some", "ssl_cert_reqs is one of"),
        ("rediss://h?ssl_ca_certs=/nowhere", "ssl_ca_certs: the file cannot be read"),
        ("rediss://h?ssl=false", "contradicts"),
        ("redis://h?sentinel_password=secret", "need redis\\+sentinel"),
        ("redis+sentinel://:secret@h", "name of the primary"),
        ("redis+sentinel://:secret@h/a/b", "name of the primary"),
        ("redis+cluster://:secret@h/1", "database 0 only"),
        ("unix://host/path", "absolute path"),
        ("unix://", "absolute path"),
        ("unix:///s?ssl=true", "no TLS"),
    ],
)
def test_malformed_url_is_rejected_by_what_is_wrong(url: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong) as caught:
        parse_url(url)
    assert "sec" not in str(caught.value).replace("unknown option secret", "")
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_url_prints_no_password() -> None:
    assert "hush" not in repr(parse_url("redis+sentinel://u:hush@h/main?sentinel_password=hush"))
