"""How often an address may do something."""

import pytest

from relevo.router.transport.address_rate import ADDRESSES_KEPT_MAX, BURST_S, AddressRate

RATE = 10
BURST = int(BURST_S) * RATE


def taken(rate: AddressRate, address: str, times: int, now_s: float = 100.0) -> int:
    """Return how many of so many tokens were to be had."""
    return sum(rate.take(address, now_s) == 0 for _ in range(times))


@pytest.mark.limit("connect_rate", "refused_token_rate")
def test_address_has_a_burst_and_then_its_rate() -> None:
    rate = AddressRate(RATE)
    assert taken(rate, "192.0.2.7", 2 * BURST) == BURST
    assert taken(rate, "192.0.2.7", 2 * BURST, 101.0) == RATE
    assert taken(rate, "192.0.2.8", 2 * BURST) == BURST


def test_address_without_a_token_waits_until_there_is_one() -> None:
    rate = AddressRate(RATE)
    taken(rate, "192.0.2.7", BURST)
    assert rate.wait_s("192.0.2.7", 100.0) == pytest.approx(1 / RATE)
    assert rate.wait_s("192.0.2.7", 100.11) == 0


def test_addresses_of_one_ipv6_network_are_one_subscriber() -> None:
    rate = AddressRate(RATE)
    assert sum(taken(rate, f"2001:db8::{number:x}", 1) for number in range(2 * BURST)) == BURST
    assert taken(rate, "2001:db8:0:1::1", 1) == 1


@pytest.mark.parametrize(("per_s", "address"), [(0, "192.0.2.7"), (RATE, "")])
def test_no_rate_and_an_unknown_address_have_no_limit(per_s: int, address: str) -> None:
    rate = AddressRate(per_s)
    assert taken(rate, address, 2 * BURST) == 2 * BURST
    assert len(rate) == 0


@pytest.mark.limit("ADDRESSES_KEPT_MAX")
def test_addresses_are_kept_up_to_a_bound() -> None:
    rate = AddressRate(RATE)
    taken(rate, "a flood", BURST)
    for number in range(ADDRESSES_KEPT_MAX):
        rate.take(f"_{number}", 100.0)
        if number % 1000 == 0:
            rate.take("a flood", 100.5)
    assert len(rate) == ADDRESSES_KEPT_MAX
