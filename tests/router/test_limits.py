from router.limits import REFUSALS_MAX, TokenBucket


def test_a_burst_goes_through_and_then_the_rate_counts() -> None:
    bucket = TokenBucket(rate=10, burst=3)
    assert [bucket.take(5.0) for _ in range(3)] == [0, 0, 0]
    assert bucket.take(5.0) == 101
    assert bucket.take(5.05) == 51
    assert bucket.take(5.11) == 0
    assert bucket.take(5.11) > 0


def test_a_pause_fills_the_bucket_no_further_than_the_burst() -> None:
    bucket = TokenBucket(rate=10, burst=2)
    assert bucket.take(1.0) == 0
    assert [bucket.take(1000.0) for _ in range(3)][:2] == [0, 0]
    assert bucket.take(1000.0) > 0


def test_who_does_not_listen_is_found_out() -> None:
    bucket = TokenBucket(rate=1, burst=1)
    bucket.take(1.0)
    abused = []
    for _ in range(REFUSALS_MAX + 1):
        bucket.take(1.0)
        abused.append(bucket.is_abused)
    assert abused == [False] * REFUSALS_MAX + [True]


def test_a_message_that_was_let_through_is_a_new_start() -> None:
    bucket = TokenBucket(rate=1, burst=1)
    for _ in range(REFUSALS_MAX + 2):
        bucket.take(1.0)
    assert bucket.take(3.0) == 0
    assert not bucket.is_abused
