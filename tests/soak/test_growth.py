import random

import pytest

from tests.soak.growth import MIB, TOLERANCE_BYTES_MIN, Sample, fitted_slope, growth


def samples(*sizes: float) -> list[Sample]:
    """One sample every two seconds."""
    return [Sample(2.0 * number, int(size)) for number, size in enumerate(sizes)]


def noise(seed: int) -> list[float]:
    """What an allocator adds and takes away."""
    chance = random.Random(seed)
    return [chance.uniform(-MIB, MIB) for _ in range(200)]


@pytest.mark.parametrize("seed", range(5))
def test_what_goes_up_and_down_is_flat(seed: int) -> None:
    assert growth("it", samples(*(60 * MIB + each for each in noise(seed)))).is_tolerated


@pytest.mark.parametrize("seed", range(5))
def test_a_leak_below_the_noise_of_two_samples_is_found(seed: int) -> None:
    leaking = [60 * MIB + each + 30_000 * number for number, each in enumerate(noise(seed))]
    grown = growth("it", samples(*leaking))
    assert not grown.is_tolerated
    assert grown.gained_bytes == pytest.approx(199 * 30_000, rel=0.1)


def test_a_quarter_of_wild_samples_turns_nothing() -> None:
    sizes = [60.0 * MIB] * 100
    sizes[75:] = [90.0 * MIB] * 25
    assert fitted_slope(samples(*sizes)) == 0


def test_what_is_large_may_gain_more() -> None:
    small, large = (growth("it", samples(*(size * MIB for _ in range(3)))) for size in (10, 1000))
    assert small.tolerated_bytes == TOLERANCE_BYTES_MIN
    assert large.tolerated_bytes == pytest.approx(30 * MIB)
