"""The parts of a node: why it is not ready, in which order, and what it takes over without a restart."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from relevo.router.config import Settings, SettingsError
from relevo.router.node import Node

URL = "redis://:old@127.0.0.1:6379/0"
OTHER_SECRET = "another secret, of 32 bytes or more"
SETTINGS = Settings(jwt_secret="a secret that is 32 bytes or more", redis_url=URL)


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    """A node whose store was never reached."""
    made = Node(SETTINGS, URL)
    yield made
    await made.stop()


def why(node: Node) -> str | None:
    """Ask anew: mypy takes a property to be as it was."""
    return node.unready


async def test_unready_names_the_first_cause_that_operators_can_mend(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert why(node) is None
    monkeypatch.setattr(type(node.supervisor), "failing", {"clock", "node-lease"})
    assert why(node) == "tasks keep failing: clock, node-lease"
    monkeypatch.setattr(type(node.subscriptions), "healthy", False)
    assert why(node) == "the store's feed is not heard"
    monkeypatch.setattr(node.verifier, "can_verify", lambda: False)
    assert why(node) == "the keys that verify tokens were not read yet"
    monkeypatch.setattr(node.store_commands, "refused", "the store is of a newer schema")
    assert why(node) == "the store is of a newer schema"
    node.connections.is_leaving = True
    assert why(node) == "draining"


@pytest.mark.parametrize(
    ("taken", "error"),
    [
        ({"jwt_secret": None}, SettingsError),
        (
            {"jwt_secret": OTHER_SECRET, "redis_url": "redis://elsewhere:1/0"},
            ValueError,
        ),
    ],
    ids=["no key", "another store"],
)
async def test_settings_that_cannot_be_taken_change_nothing(
    node: Node, taken: dict[str, str | None], error: type[Exception]
) -> None:
    keys = node.verifier._fixed
    with pytest.raises(error):
        node.take_settings(replace(SETTINGS, **taken))  # type: ignore[arg-type]
    assert (node.settings, node.verifier._fixed) == (SETTINGS, keys)


async def test_settings_that_can_be_taken_are_used_from_then_on(node: Node) -> None:
    keys = node.verifier._fixed
    taken = replace(SETTINGS, jwt_secret=OTHER_SECRET, redis_url=URL.replace("old", "new"))
    node.take_settings(taken)
    assert node.settings == taken
    assert node.verifier._fixed != keys
