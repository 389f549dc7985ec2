"""One line when a server of the store goes, and one when it is back."""

import pytest
from structlog.testing import capture_logs

from relevo.router.store.client.connection import Server
from relevo.router.store.client.outages import AFTERMATH_S, Outages

HERE, THERE = Server("here", 6379), Server("there", 6379)


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_outage_is_logged_when_it_begins_and_when_it_ends(clock: Clock) -> None:
    outages = Outages(clock)
    with capture_logs() as logs:
        for _ in range(300):
            outages.lost(HERE, "commands", "connection refused")
            outages.lost(HERE, "feed", "connection refused")
        clock.now_s += 8
        outages.found(HERE, "commands")
        outages.found(HERE, "feed")
        outages.found(HERE, "feed")
    assert [(line["event"], line["server"]) for line in logs] == [
        ("store lost", "here:6379"),
        ("store found", "here:6379"),
    ]
    assert (logs[0]["reason"], logs[1]["lost_for_ms"]) == ("connection refused", 8000)


def test_outage_explains_failures_for_a_while_after_its_end(clock: Clock) -> None:
    outages = Outages(clock)
    recent = [outages.is_recent]
    outages.lost(HERE, "commands", "connection refused")
    clock.now_s += 10 * AFTERMATH_S
    recent.append(outages.is_recent)
    outages.found(HERE, "commands")
    recent.append(outages.is_recent)
    clock.now_s += AFTERMATH_S
    recent.append(outages.is_recent)
    assert recent == [False, True, True, False]


def test_outage_ends_with_the_servers_replacement_and_not_with_anothers(clock: Clock) -> None:
    outages = Outages(clock)
    outages.lost(HERE, "commands", "connection refused")
    with capture_logs() as logs:
        outages.found(THERE, "commands")
        outages.forget(THERE)
        outages.forget(HERE)
    assert [line["event"] for line in logs] == ["store replaced"]
