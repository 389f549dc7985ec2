"""Which pages may open a websocket."""

import pytest

from relevo.router.transport.origins import REFUSED_ORIGINS_MAX, OriginRule, RefusedOrigins

OWN_HOST = [
    ("http://chat.example.com", "chat.example.com"),
    ("https://chat.example.com", "chat.example.com"),
    ("HTTPS://Chat.Example.COM", "chat.example.com"),
    ("https://chat.example.com", "CHAT.example.com"),
    ("https://chat.example.com", "chat.example.com:443"),
    ("https://chat.example.com:443", "chat.example.com"),
    ("http://chat.example.com:80", "chat.example.com"),
    ("http://localhost:8765", "localhost:8765"),
    ("http://127.0.0.1:8765", "127.0.0.1:8765"),
    ("http://[::1]:8765", "[::1]:8765"),
    ("http://[0:0:0:0:0:0:0:1]:8765", "[::1]:8765"),
    ("http://[2001:DB8::7]", "[2001:0db8:0::7]"),
    ("https://chat.example.com.", "chat.example.com."),
    ("https://chat.example.com.", "chat.example.com"),
    ("https://chat.example.com", "chat.example.com."),
]

FOREIGN = [
    ("null", "chat.example.com"),
    ("NULL", "chat.example.com"),
    ("", "chat.example.com"),
    ("https://evil.example", "chat.example.com"),
    ("https://chat.example.com.evil.example", "chat.example.com"),
    ("https://evilchat.example.com", "chat.example.com"),
    ("https://sub.chat.example.com", "chat.example.com"),
    ("https://example.com", "chat.example.com"),
    ("https://chat.example.com:8443", "chat.example.com"),
    ("https://chat.example.com", "chat.example.com:8443"),
    ("http://chat.example.com", "chat.example.com:443"),
    ("http://localhost:8766", "localhost:8765"),
    ("https://chat.example.com@evil.example", "evil.example"),
    ("https://chat.example.com/", "chat.example.com"),
    ("https://chat.example.com/path", "chat.example.com"),
    ("https://chat.example.com https://evil.example", "chat.example.com"),
    ("https://chat.example.com\n", "chat.example.com"),
    ("chat.example.com", "chat.example.com"),
    ("//chat.example.com", "chat.example.com"),
    ("https://chat.example.com", ""),
    ("https://chat.example.com", "user@chat.example.com"),
    ("https://chat.example.com..", "chat.example.com"),
    ("http://[::2]:8765", "[::1]:8765"),
    ("http://[::1::]:8765", "[::1]:8765"),
    ("ftp://chat.example.com", "chat.example.com"),
    ("ftp://chat.example.com:443", "chat.example.com:443"),
    ("chrome-extension://chat.example.com", "chat.example.com"),
    ("ws://chat.example.com:80", "chat.example.com:80"),
    ("https://evil.example/chat.example.com", "chat.example.com"),
    ("https://evil.example#chat.example.com", "chat.example.com"),
    ("https://evil.example?https://chat.example.com", "chat.example.com"),
    ("https://chat.example.com:443.evil.example", "chat.example.com"),
    ("https://chatxexample.com", "chat.example.com"),
    ("https://chat.example.com, https://evil.example", "chat.example.com"),
    ("https:chat.example.com", "chat.example.com"),
    ("file://", "chat.example.com"),
    ("https://.chat.example.com", "chat.example.com"),
    ("https://\N{CYRILLIC SMALL LETTER ES}hat.example.com".encode().decode("latin-1"), "chat.example.com"),
]


@pytest.mark.adversarial("handshake: Origin in upper case")
@pytest.mark.parametrize(("origin", "host"), OWN_HOST)
def test_without_a_list_a_page_of_the_same_host_may_connect(origin: str, host: str) -> None:
    assert OriginRule(()).allows(origin, host)


@pytest.mark.adversarial(
    *(
        "handshake: Origin null",
        "handshake: Origin with a look-alike suffix",
        "handshake: Origin of a sub-domain",
    )
)
@pytest.mark.parametrize(("origin", "host"), FOREIGN)
def test_without_a_list_no_other_page_may_connect(origin: str, host: str) -> None:
    assert not OriginRule(()).allows(origin, host)


@pytest.mark.parametrize(
    "origin", ["https://chat.example.com", "https://CHAT.example.com:443", "capacitor://localhost"]
)
def test_a_page_on_the_list_may_connect_whatever_the_host(origin: str) -> None:
    rule = OriginRule(("HTTPS://chat.example.com:443", "capacitor://localhost"))
    assert rule.allows(origin, "router.internal:8765")


@pytest.mark.parametrize(
    "origin",
    ["null", "http://chat.example.com", "https://sub.chat.example.com", "https://router.internal:8765", "*"],
)
def test_with_a_list_no_other_page_may_connect_not_even_the_hosts_own(origin: str) -> None:
    rule = OriginRule(("https://chat.example.com",))
    assert not rule.allows(origin, "router.internal:8765")


@pytest.mark.parametrize("entry", ["*", "chat.example.com", "https://chat.example.com/", "null", ""])
def test_an_entry_that_is_no_origin_is_refused_by_name(entry: str) -> None:
    with pytest.raises(ValueError, match="not an origin") as refusal:
        OriginRule((entry,))
    assert repr(entry) in str(refusal.value)


def test_refused_origin_is_due_once_a_minute() -> None:
    refused = RefusedOrigins()
    page, other = "https://a.example", "https://b.example"

    assert [refused.is_due(page, now) for now in (0.0, 1.0, 59.9, 60.0, 61.0)] == [
        *(True, False, False),
        *(True, False),
    ]
    assert refused.is_due(other, 61.0)


@pytest.mark.limit("REFUSED_ORIGINS_MAX")
def test_refused_origins_beyond_the_bound_are_not_due_within_the_minute() -> None:
    refused = RefusedOrigins()
    pages = [f"https://{number}.example" for number in range(REFUSED_ORIGINS_MAX + 1)]

    assert [refused.is_due(page, 0.0) for page in pages] == [*[True] * REFUSED_ORIGINS_MAX, False]
    assert refused.is_due(pages[-1], 60.0)
