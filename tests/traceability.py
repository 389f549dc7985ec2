"""
A pytest plugin that tells which test proves what, by the markers of the tests.

``make traceability`` prints the tables of what ``make test`` runs. A run of the whole suite has one more
test, which fails where a limit or a fault has no test, where a marker names one that is not there, and where
the name of a test is too long.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from relevo.router.config import SETTINGS

MARKERS = {
    "limit": "names of settings or constants: the test shows that these limits hold",
    "fault": "keys of tests.traceability.FAULTS: the test brings these faults about",
    "adversarial": "kinds of bad input, 'kind: case': the test sends them",
    "origin": "a defect of another system, in a few words: the test keeps it from being one of ours",
}

ROOT = Path(__file__).parents[1]
NAME_CHARACTERS_MAX = 70
LIMIT = re.compile(r".*(_max|_bytes|_rate|_burst|_wait_ms|linger_ms)", re.IGNORECASE)
# What is kept or awaited for a time only is limited by it.
TIMES = {
    "closed_retention_ms",
    "hello_timeout_ms",
    "jwks_timeout_ms",
    "key_ttl_ms",
    "ping_timeout_ms",
    "request_timeout_ms",
    "store_timeout_ms",
    "tenant_idle_ms",
}
# Tools, not the router.
NOT_SERVED = ("router/audit", "router/bundled_store", "router/demo", "router/workers")
NO_LIMITS = {
    # What a text of ours or a part of a frame is cut to, and RFC 6455's own.
    "ECHO_CHARACTERS_MAX",
    "PATH_SEGMENTS_MAX",
    "_CLOSE_REASON_BYTES_MAX",
    "_CONTROL_PAYLOAD_BYTES_MAX",
    "_MASKED_HEADER_BYTES",
    # How often one thing is tried, and how much is read at a time.
    "FEED_BYTES",
    "LOADS_MAX",
    "NAMES_MAX",
    "READ_BYTES_MAX",
    "REDIRECTS_MAX",
    "REGISTER_AGAIN_MAX",
    "REPAIR_EVENTS_MAX",
    # A price.
    "CHARGED_BYTES",
}

FAULTS: dict[str, str] = {
    "a router is killed under load": (
        "its clients go on elsewhere; no transfer that was acknowledged is lost, none is made twice"
    ),
    "a router stands still past its lease and goes on": (
        "its commands are refused, it closes its sockets, and its clients reconnect"
    ),
    "a router drains": (
        "it turns unready, refuses handshakes, answers what is in flight, and closes its clients one by one; "
        "no transfer fails, no agent is shown as disconnected"
    ),
    "the store is killed and starts again": (
        "commands are answered with unavailable, clients stay connected; a retry with its idempotency key "
        "counts once, and nothing that was acknowledged is lost"
    ),
    "the store starts again empty": (
        "a new epoch before the first write; connections are registered again, dialogs get a snapshot, lost "
        "sessions are wholly gone"
    ),
    "the store is flushed": "the same, without a restart",
    "the store loses its functions": "they are loaded again; no command fails",
    "another primary is promoted": (
        "an outage with an end, and a new epoch where anything may have been lost"
    ),
    "an old primary is cut off with a router": (
        "what was acknowledged with durability `replica` is kept; what else may be lost is known"
    ),
    "a router is cut off from the store in silence": (
        "it turns unready, answers with unavailable, and closes its sockets when its lease expires"
    ),
    "a reply of the store is lost": "the retry gets the first result",
    "the feed is cut": "what was missed is read from the event stream, or the directory is loaded again",
    "the feed falls silent": (
        "the router turns unready meanwhile, subscribes again, and reads what it missed"
    ),
    "the feed is thrown out by the store": "as when it is cut",
    "a client stops reading": (
        "its patches are merged, then it is closed with 4001; others are served, and its outbox is bounded"
    ),
    "a client's connection is half open": "it is closed after a ping and the ping time-out",
    "a router's clock is an hour off": "tokens, times and graces are as with a right one",
    "the store's disk is full": (
        "commands are answered with unavailable and none is half done; with room, all goes on by itself"
    ),
    "the store's memory is full": "the same",
    "every link is cut and healed": "nothing untrue meanwhile, and all agree soon afterwards",
    "all clients come back at once": (
        "not all in one moment, and all of them; what the store has to do for each is one small script"
    ),
    "two releases run side by side, in a rolling upgrade and a roll-back": (
        "nothing is lost or doubled, no status flickers, and a retry across releases is applied once"
    ),
}
"""Each fault that a deployment meets, and what must come of it."""


def limits() -> set[str]:
    """Return the settings and constants whose names say that they are limits."""
    settings = {
        setting.name for setting in SETTINGS if setting.minimum is not None and _is_limit(setting.name)
    }
    return settings | {*_constants()} - NO_LIMITS


def _is_limit(name: str) -> bool:
    return LIMIT.fullmatch(name) is not None or name.lower() in TIMES


def _constants() -> Iterator[str]:
    for file in (file for folder in ("router", "protocol") for file in (ROOT / folder).rglob("*.py")):
        if file.relative_to(ROOT).as_posix().startswith(NOT_SERVED):
            continue
        for node in ast.parse(file.read_text()).body:
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            for target in targets:
                if isinstance(target, ast.Name) and target.id.isupper() and _is_limit(target.id):
                    yield target.id


Table = dict[str, list[str]]


def tables(items: list[pytest.Item]) -> dict[str, Table]:
    """Return, by marker, the names that it has and the tests of each, without parameters and long ones."""
    found: dict[str, Table] = {marker: defaultdict(list) for marker in MARKERS}
    for item in items:
        if item.get_closest_marker("long") is not None:
            continue
        test = item.nodeid.partition("[")[0]
        for mark in item.iter_markers():
            for name in mark.args if mark.name in MARKERS else ():
                if test not in found[mark.name][name]:
                    found[mark.name][name].append(test)
    return found


def problems(found: dict[str, Table]) -> list[str]:
    """Return what is without its test, and what has one but is not there."""
    lines = []
    for marker, wanted in (("limit", limits()), ("fault", {*FAULTS})):
        lines += [f"no test is marked {marker}({name!r})" for name in sorted(wanted - {*found[marker]})]
        for name in sorted({*found[marker]} - wanted):
            lines.append(
                f"there is no {marker} {name!r}, which {', '.join(found[marker][name])} is marked with"
            )
    return lines


def long_names(items: list[pytest.Item]) -> list[str]:
    """Return what is wrong with the tests' names: one that is long mostly makes more than one claim."""
    names = {item.nodeid.partition("[")[0] for item in items}
    return [
        f"more than {NAME_CHARACTERS_MAX} characters: {name}"
        for name in sorted(names)
        if len(name.rpartition("::")[2]) > NAME_CHARACTERS_MAX
    ]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that prints the tables."""
    parser.addoption("--traceability", action="store_true", help="print which test proves what, and run none")


def pytest_configure(config: pytest.Config) -> None:
    """Make the markers known."""
    for marker, text in MARKERS.items():
        config.addinivalue_line("markers", f"{marker}(*names): {text}")


class TraceabilityItem(pytest.Item):
    """The one test that fails where a limit or a fault has none, or a name is too long."""

    def runtest(self) -> None:
        """Check the markers and the names of all tests that were collected."""
        lines = problems(self.config.stash[FOUND]) + self.config.stash[LONG_NAMES]
        assert not lines, "\n".join(lines)


FOUND = pytest.StashKey[dict[str, Table]]()
LONG_NAMES = pytest.StashKey[list[str]]()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Read the markers before any test is deselected; they are judged where the whole suite was collected."""
    config.stash[FOUND] = tables(items)
    config.stash[LONG_NAMES] = long_names(items)
    if config.args_source is pytest.Config.ArgsSource.TESTPATHS:
        items.append(TraceabilityItem.from_parent(session, name="traceability"))


def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Print the tables instead of running tests, if that was asked for."""
    if not session.config.option.traceability:
        return None
    found = session.config.stash[FOUND]
    for marker, table in found.items():
        print(f"\n\n{marker}: {len(table)}")
        for name in sorted(table):
            print(f"\n{name}" + (f"\n    must: {FAULTS.get(name)}" if marker == "fault" else ""))
            print(*(f"    {test}" for test in table[name]), sep="\n")
    lines = problems(found) + session.config.stash[LONG_NAMES]
    print("\n", *lines, sep="\n")
    session.testsfailed = len(lines)
    return True
