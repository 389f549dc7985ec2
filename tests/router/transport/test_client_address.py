import pytest

from relevo.router.transport.client_address import ADDRESS_CHARACTERS_MAX, VERDICTS_MAX, Addresses

TRUSTED = ("127.0.0.1", "::1", "10.1.0.0/16")


def located(peer: str | None, *forwarded: str) -> str:
    return Addresses(TRUSTED, 10).of(peer, forwarded)


def test_a_client_without_a_proxy_has_its_peer_address() -> None:
    assert located("192.0.2.7") == "192.0.2.7"
    assert located("192.0.2.7", "198.51.100.1") == "192.0.2.7"
    assert located("2001:db8::7", "198.51.100.1") == "2001:db8::7"


@pytest.mark.parametrize(
    "proxy", ["127.0.0.1", "::1", "10.1.2.3", "::ffff:127.0.0.1", "::ffff:a01:203", None]
)
def test_a_trusted_proxy_says_whom_it_speaks_for(proxy: str | None) -> None:
    assert located(proxy, "192.0.2.7") == "192.0.2.7"


def test_an_ipv4_address_counts_as_one_however_it_is_written() -> None:
    assert located("::ffff:192.0.2.7") == "192.0.2.7"
    assert located("::ffff:127.0.0.1", "6.6.6.6, ::ffff:192.0.2.7, ::ffff:10.1.0.9") == "192.0.2.7"
    assert located("2001:DB8:0::7") == "2001:db8::7"


def test_of_several_the_last_that_is_not_a_trusted_proxy_counts() -> None:
    assert located("127.0.0.1", "6.6.6.6, 192.0.2.7, 10.1.0.9") == "192.0.2.7"
    assert located("127.0.0.1", "6.6.6.6", "192.0.2.7", "10.1.0.9") == "192.0.2.7"


def test_a_trusted_proxy_that_says_nothing_leaves_the_address_unknown() -> None:
    for forwarded in ([], [""], [" , "], ["10.1.0.9"]):
        assert located("127.0.0.1", *forwarded) == ""


@pytest.mark.limit("ADDRESS_CHARACTERS_MAX")
@pytest.mark.parametrize(
    ("entry", "address"),
    [
        ("192.0.2.7:5678", "192.0.2.7"),
        ("[2001:db8::7]:5678", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("2001:db8::7", "2001:db8::7"),
        ("_hidden", "_hidden"),
        ("x" * 1000, "x" * ADDRESS_CHARACTERS_MAX),
    ],
)
def test_an_address_may_come_with_a_port_or_be_a_name(entry: str, address: str) -> None:
    assert located("127.0.0.1", entry) == address


@pytest.mark.limit("VERDICTS_MAX")
def test_only_the_latest_verdicts_are_kept() -> None:
    addresses = Addresses(TRUSTED, 10)
    proxies = [f"10.1.{number // 256}.{number % 256}" for number in range(VERDICTS_MAX + 10)]
    for proxy in [*proxies, *proxies[:10]]:
        assert addresses.of(proxy, ["192.0.2.7"]) == "192.0.2.7"
    assert addresses._parsed.cache_info().currsize == VERDICTS_MAX


def test_a_known_address_has_a_limit_and_an_unknown_one_none() -> None:
    addresses = Addresses(TRUSTED, 2)
    for address in ("192.0.2.7", "192.0.2.7", "192.0.2.8", "", "", ""):
        assert addresses.has_room(address)
        addresses.enter(address)
    assert not addresses.has_room("192.0.2.7")
    addresses.leave("192.0.2.7")
    assert addresses.has_room("192.0.2.7")


def test_an_address_without_connections_is_forgotten() -> None:
    addresses = Addresses((), 2)
    for number in range(100):
        assert addresses.has_room(f"192.0.2.{number}")
        addresses.enter(f"192.0.2.{number}")
    for number in range(100):
        addresses.leave(f"192.0.2.{number}")
    addresses.leave("")
    assert len(addresses) == 0
