import pytest

from relevo.router.store.client.backoff import full_jitter_s


@pytest.mark.parametrize(("failures", "bound_s"), [(0, 0.05), (1, 0.1), (3, 0.4), (5, 1.0), (5000, 1.0)])
def test_backoff_is_anywhere_up_to_a_bound_that_doubles(failures: int, bound_s: float) -> None:
    waits = [full_jitter_s(failures, 0.05, 1.0) for _ in range(2000)]
    assert 0 <= min(waits) < 0.05 * bound_s
    assert 0.95 * bound_s < max(waits) <= bound_s
