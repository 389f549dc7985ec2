"""A reply of the store that is lost after its verb has run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.scene import Scene


@pytest.mark.slow
async def test_a_hello_whose_answer_from_the_store_is_lost_leaves_no_ghost_behind(tmp_path: Path) -> None:
    async with Scene(tmp_path, seed=1, tenants=["acme"]) as scene:
        ana = scene.person("ana")
        await ana.go()
        scene.store_link(0).drop_replies(to=b"_connect\r\n")
        # The first hello is refused, after the store has taken note of the connection; the next is not.
        await ana.come(on=0)
        await scene.check()
