import gc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relevo.router.auth.principal import Principal
from relevo.router.config import Settings
from relevo.router.gateway.rate_limit import (
    BURST_S,
    HELLO_S,
    READ_RATIO_MAX,
    REFUSALS_MAX,
    REST_S_MAX,
    Allowance,
    Bucket,
    Buckets,
    Limit,
    Rates,
    Throttled,
    hello_wait_s,
)

SETTINGS = Settings(message_rate=2, agent_message_rate=3, back_end_message_rate=3, tenant_message_rate=5)


def allowance(*, rate: int, burst: int) -> Allowance:
    return Allowance(Bucket(Limit("connection", rate, burst)))


def principal(sub: str, *, tenant: str = "acme", service: bool = False) -> Principal:
    return Principal(tenant, sub, "service" if service else "agent", None, None, None, expires_at=0)


def let_through(sender: Allowance, count: int, now_s: float) -> int:
    """Send messages at one moment, and return how many went through."""
    return [sender.take(now_s) for _ in range(count)].count(None)


def test_allowance_after_a_burst_lets_the_rate_through() -> None:
    sender = allowance(rate=10, burst=3)
    assert [sender.take(5.0) for _ in range(4)] == [None, None, None, Throttled("connection", 100)]
    assert sender.take(5.1) is None
    assert let_through(sender, 1000, 6.1) == 3


def test_allowance_after_a_pause_lets_one_burst_through() -> None:
    sender = allowance(rate=10, burst=2)
    assert let_through(sender, 1, 1.0) == 1
    assert let_through(sender, 1000, 1000.0) == 2


@given(
    rate=st.integers(1, 10**6),
    burst=st.integers(2, 200),
    refused=st.integers(1, 200),
    late_ms=st.lists(st.integers(0, 50), min_size=200, max_size=200),
)
def test_allowance_lets_a_rejected_message_through_after_its_retry(
    rate: int, burst: int, refused: int, late_ms: list[int]
) -> None:
    sender = allowance(rate=rate, burst=burst)
    assert let_through(sender, burst, 7.0) == burst
    turns = []
    for late, _ in zip(late_ms, range(min(refused, burst)), strict=False):
        throttled = sender.take(7.0)
        assert throttled is not None
        turns.append(7.0 + (throttled.retry_in_ms + late) / 1000)
    assert [sender.take(turn) for turn in sorted(turns)] == [None] * len(turns)


def test_charge_takes_as_many_tokens() -> None:
    sender = allowance(rate=10, burst=20)
    assert sender.take(5.0) is None
    sender.charge(9)
    assert let_through(sender, 1000, 5.0) == 10


def test_charge_beyond_the_tokens_left_is_paid_before_the_next_message() -> None:
    sender = allowance(rate=10, burst=20)
    assert let_through(sender, 15, 5.0) == 15
    sender.charge(10)
    assert sender.take(5.0) == Throttled("connection", 600)
    assert sender.take(5.6) is None


def test_charge_of_one_answer_is_a_full_bucket_at_most() -> None:
    sender = allowance(rate=10, burst=20)
    assert sender.take(5.0) is None
    sender.charge(10**9)
    assert sender.take(5.0) == Throttled("connection", 200)


def test_charge_of_the_sender_leaves_the_tenants_bucket() -> None:
    own = Bucket(Limit("agent", 10, 20))
    tenants = Bucket(Limit("tenant", 10, 20, is_common=True))
    sender, other = Allowance(own, tenants), Allowance(tenants)
    sender.charge_sender(30)
    assert (own.full_at_s, tenants.full_at_s) == (2.0, 0.0)
    sender.charge(5)
    assert tenants.full_at_s == 0.5
    assert other.take(0.0) is None


def test_hellos_beyond_a_burst_wait_for_their_turn() -> None:
    own = Bucket(Limit("agent", 1000, 4000))
    waits = [hello_wait_s([own], 5.0) for _ in range(250)]
    burst = sum(wait_s <= 0 for wait_s in waits)
    assert burst == 200
    assert waits[burst:] == pytest.approx([HELLO_S * number + 0.0005 for number in range(50)])


def test_hellos_as_often_as_allowed_wait_for_nothing() -> None:
    own = Bucket(Limit("agent", 1000, 4000))
    assert max(hello_wait_s([own], 5.0 + HELLO_S * number) for number in range(1000)) <= 0


def test_wait_of_a_hello_is_at_most_the_time_to_fill_a_bucket() -> None:
    own = Bucket(Limit("agent", 1000, 4000))
    waits = [hello_wait_s([own], 5.0) for _ in range(1000)]
    assert max(waits) == pytest.approx(4.0, abs=HELLO_S)
    assert own.full_at_s <= 5.0 + 2 * 4.0
    own.charge(4000)
    assert hello_wait_s([own], 5.0) == 4.0


def test_hellos_leave_the_tenants_bucket() -> None:
    tenants = Bucket(Limit("tenant", 10, 20, is_common=True))
    assert (hello_wait_s([tenants], 5.0), tenants.full_at_s) == (0.0, 0.0)


def test_retry_is_at_most_the_time_to_fill_an_empty_bucket() -> None:
    sender = allowance(rate=10, burst=3)
    told = [throttled.retry_in_ms for _ in range(500) if (throttled := sender.take(5.0)) is not None]
    assert (told[0], max(told)) == (100, 300)


def test_sender_that_ignores_rejections_is_abusive() -> None:
    sender = allowance(rate=1, burst=1)
    sender.take(1.0)
    abused = []
    for _ in range(REFUSALS_MAX + 1):
        sender.take(1.0)
        abused.append(sender.is_abused)
    assert abused == [False] * REFUSALS_MAX + [True]


def test_sender_at_three_times_its_rate_is_abusive() -> None:
    sender = allowance(rate=100, burst=1)
    sent = 0
    while not sender.is_abused:
        sent += 1
        sender.take(1 + sent / 300)
    assert sent == pytest.approx(3 * REFUSALS_MAX, rel=0.01)


@pytest.mark.limit("READ_RATIO_MAX")
@pytest.mark.parametrize("rate", [50, 1000])
@pytest.mark.parametrize("batch", [1, 64])
def test_flood_is_read_at_a_multiple_of_its_rate_until_it_is_abusive(rate: int, batch: int) -> None:
    sender = allowance(rate=rate, burst=1)
    started_s = now_s = 1.0
    read = 0
    while not sender.is_abused:
        let_through(sender, batch, now_s)
        read += batch
        now_s += sender.rest_s
        sender.rest_s = 0.0
    assert read / (now_s - started_s) <= (READ_RATIO_MAX + 2) * rate
    assert now_s - started_s <= 2 * REFUSALS_MAX / (READ_RATIO_MAX - 2) / rate


def test_floods_of_one_tenant_are_read_at_most_at_twice_its_rate() -> None:
    tenant = Bucket(Limit("tenant", 1000, 4000, is_common=True))
    floods = [Allowance(Bucket(Limit("connection", 1000, 4000)), tenant) for _ in range(100)]
    resumes_at_s = [1.0] * len(floods)
    read = passed = 0
    for tick in range(1000):
        now_s = 1 + tick / 100
        for number, sender in enumerate(floods):
            if resumes_at_s[number] <= now_s:
                passed += let_through(sender, 64, now_s)
                read += 64
                resumes_at_s[number] = now_s + sender.rest_s
                sender.rest_s = 0.0
    assert passed <= 4000 + 10 * 1000
    # Each of them is read once before any has to rest.
    assert read <= 100 * 64 + 2 * passed


def test_floods_of_one_agents_devices_are_read_as_one() -> None:
    agent = Bucket(Limit("agent", 1000, 4000))
    floods = [Allowance(Bucket(Limit("connection", 1000, 4000)), agent) for _ in range(20)]
    resumes_at_s = [1.0] * len(floods)
    read = 0
    for tick in range(1000):
        now_s = 1 + tick / 1000
        for number, sender in enumerate(floods):
            if resumes_at_s[number] <= now_s:
                let_through(sender, 64, now_s)
                read += 64
                resumes_at_s[number] = now_s + sender.rest_s
                sender.rest_s = 0.0
    # Each of them is read a little before any has to rest.
    assert read <= 4000 + 20 * 64 + (READ_RATIO_MAX + 2) * 1000


@pytest.mark.limit("REST_S_MAX")
def test_rest_after_rejections_over_http_is_short() -> None:
    back_end = Bucket(Limit("back_end", 100, 200))
    request, connection = Allowance(back_end), Allowance(back_end)
    let_through(request, 10_000, 1.0)
    let_through(connection, 1, 1.0)
    assert connection.rest_s == pytest.approx(REST_S_MAX)


def test_sender_that_waits_is_not_abusive() -> None:
    sender = allowance(rate=100, burst=1)
    now_s = 1.0
    for _ in range(10 * REFUSALS_MAX):
        while (throttled := sender.take(now_s)) is not None:
            now_s += throttled.retry_in_ms / 1000
        assert not sender.is_abused


def test_emptiest_bucket_decides_and_a_rejection_takes_no_token() -> None:
    small, large = Bucket(Limit("small", 1, 2)), Bucket(Limit("large", 10, 5))
    mine, other = Allowance(small), Allowance(large)
    mine.share((large,))
    assert let_through(mine, 100, 1.0) == 2
    assert mine.take(1.0) == Throttled("small", 2000)
    assert let_through(other, 100, 1.0) == 3
    assert mine.take(2.5) is None


def test_connections_share_their_agents_and_tenants_buckets() -> None:
    rates = Rates(SETTINGS)
    phone, browser, bob = rates.connection(), rates.connection(), rates.connection()
    for sender, sub in ((phone, "ana"), (browser, "ana"), (bob, "bob")):
        sender.share(rates.shared(principal(sub), 1.0))
    assert let_through(phone, 30, 1.0) == 2 * BURST_S
    assert phone.take(1.0).limit == "connection"  # type: ignore[union-attr]
    assert let_through(browser, 30, 1.0) == (3 - 2) * BURST_S
    assert browser.take(1.0).limit == "agent"  # type: ignore[union-attr]
    assert let_through(bob, 30, 1.0) == (5 - 3) * BURST_S
    over_http = Allowance(*rates.shared(principal("crm", service=True), 1.0))
    assert over_http.take(1.0).limit == "tenant"  # type: ignore[union-attr]
    elsewhere = Allowance(*rates.shared(principal("ana", tenant="other"), 1.0))
    assert let_through(elsewhere, 30, 1.0) == 3 * BURST_S


def test_back_end_and_agent_of_one_id_have_two_buckets() -> None:
    rates = Rates(SETTINGS)
    agent = Allowance(*rates.shared(principal("ana"), 1.0))
    back_end = Allowance(*rates.shared(principal("ana", service=True), 1.0))
    assert let_through(agent, 30, 1.0) == 3 * BURST_S
    assert let_through(back_end, 2 * BURST_S, 1.0) == 2 * BURST_S
    assert back_end.take(1.0) == Throttled("tenant", 200)


def test_sender_rejected_for_its_tenants_flood_is_not_abusive() -> None:
    tenant = Bucket(Limit("tenant", 1, 1, is_common=True))
    loud, quiet = Allowance(tenant), Allowance(Bucket(Limit("connection", 100, 100)), tenant)
    loud.take(1.0)
    for _ in range(2 * REFUSALS_MAX):
        assert quiet.take(1.0) is not None
    assert not quiet.is_abused


def test_rate_of_0_is_no_limit() -> None:
    rates = Rates(Settings(agent_message_rate=0, back_end_message_rate=0, tenant_message_rate=0))
    assert rates.shared(principal("ana"), 1.0) == rates.shared(principal("crm", service=True), 1.0) == ()
    assert let_through(Allowance(), 1000, 1.0) == 1000


def test_bucket_of_a_returning_sender_is_as_it_left_it() -> None:
    buckets = Buckets(Limit("agent", 10, 3), kept_max=100)
    assert let_through(Allowance(buckets.of("ana", 1.0)), 10, 1.0) == 3
    for number in range(50):
        buckets.of(number, 1.05)
    assert let_through(Allowance(buckets.of("ana", 1.1)), 10, 1.1) == 1


def test_bucket_in_use_is_shared_by_all_of_its_sender() -> None:
    buckets = Buckets(Limit("agent", 10, 3), kept_max=1)
    held = buckets.of("ana", 1.0)
    for number in range(50):
        buckets.of(number, 2.0)
    assert buckets.of("ana", 3.0) is held


def test_full_buckets_are_dropped() -> None:
    buckets = Buckets(Limit("agent", 10, 3), kept_max=1000)
    for number in range(500):
        Allowance(buckets.of(number, 1.0)).take(1.0)
    assert len(buckets) == 500
    for _ in range(250):
        buckets.of("ana", 2.0)
    assert len(buckets) == 1


@pytest.mark.limit("RATE_BUCKETS_MAX")
def test_buckets_beyond_the_bound_drop_the_oldest() -> None:
    buckets = Buckets(Limit("agent", 1, 1000), kept_max=10)
    for number in range(500):
        let_through(Allowance(buckets.of(number, 1.0)), 1000, 1.0)
        gc.collect(0)
        assert len(buckets) <= 10
    assert let_through(Allowance(buckets.of(499, 1.0)), 1, 1.0) == 0
    assert let_through(Allowance(buckets.of(0, 1.0)), 1, 1.0) == 1
