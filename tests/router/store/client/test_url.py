from pathlib import Path

import pytest

from relevo.router.store.client.connection import Access, Server
from relevo.router.store.client.url import Address, Kind, parse_address


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://localhost", Address(Kind.SINGLE, (Server("localhost", 6379),), Access())),
        ("redis://10.0.0.1:7000/2", Address(Kind.SINGLE, (Server("10.0.0.1", 7000),), Access(database=2))),
        ("redis://h?db=3", Address(Kind.SINGLE, (Server("h", 6379),), Access(database=3))),
        ("redis://[::1]:7000", Address(Kind.SINGLE, (Server("::1", 7000),), Access())),
        ("redis://:pa%2Fss@h", Address(Kind.SINGLE, (Server("h", 6379),), Access(password="pa/ss"))),
        ("redis://u:p@h", Address(Kind.SINGLE, (Server("h", 6379),), Access("u", "p"))),
        ("rediss://h", Address(Kind.SINGLE, (Server("h", 6379),), Access(tls={}))),
        ("unix:///run/s.sock", Address(Kind.SINGLE, (Server(path="/run/s.sock"),), Access())),
        ("unix://u:p@/s?db=1", Address(Kind.SINGLE, (Server(path="/s"),), Access("u", "p", 1))),
        (
            "redis+sentinel://:p@a,b:27000/main?db=1&sentinel_password=s",
            Address(
                Kind.SENTINEL,
                (Server("a", 26379), Server("b", 27000)),
                Access(password="p", database=1),
                "main",
                Access(password="s"),
            ),
        ),
        (
            "redis+cluster://u:p@a:7000,b?ssl=true&ssl_cert_reqs=none&ssl_check_hostname=false",
            Address(
                Kind.CLUSTER,
                (Server("a", 7000), Server("b", 6379)),
                Access("u", "p", tls={"ssl_cert_reqs": "none", "ssl_check_hostname": False}),
                sentinel_access=Access(tls={"ssl_cert_reqs": "none", "ssl_check_hostname": False}),
            ),
        ),
    ],
)
def test_a_url_says_where_and_how(url: str, address: Address) -> None:
    read = parse_address(url)
    assert (read.kind, read.servers, read.access) == (address.kind, address.servers, address.access)
    assert read.primary_name == address.primary_name
    assert read.sentinel_access.password == address.sentinel_access.password


def test_the_files_of_tls_are_options(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("")
    read = parse_address(f"rediss://h?ssl_ca_certs={file}&ssl_certfile={file}&ssl_keyfile={file}")
    names = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
    assert read.access.tls == dict.fromkeys(names, str(file))


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
def test_a_malformed_url_is_refused_by_what_is_wrong_with_it(url: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong) as caught:
        parse_address(url)
    assert "sec" not in str(caught.value).replace("unknown option secret", "")
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_access_prints_no_password() -> None:
    assert "hush" not in repr(parse_address("redis+sentinel://u:hush@h/main?sentinel_password=hush"))
