"""The demo: what it refuses, and one smoke of the whole."""

import asyncio
import signal
import socket
import subprocess
import sys

import pytest
from relevo_client import Client, SessionChanged

from relevo.clients.terminal.demo import DemoError
from relevo.clients.terminal.demo.people import PEOPLE
from relevo.router.config import Settings
from relevo.router.demo import run
from tests.terminal.demo_process import LIMIT_S, environment, running_demo


def test_run_on_a_taken_port_names_the_flag() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(DemoError, match=rf"cannot listen on 127\.0\.0\.1:{port}: .*--port"):
            run(Settings(port=port))


def test_run_with_keys_it_cannot_sign_with_is_refused() -> None:
    with pytest.raises(DemoError, match="unset RELEVO_JWKS"):
        run(Settings(port=0, jwks="https://keys.example/jwks"))


@pytest.mark.parametrize("pace", [0.0, -1.0, 1e6, float("nan")])
def test_run_with_an_impossible_pace_is_refused(pace: float) -> None:
    with pytest.raises(DemoError, match="the pace must be"):
        run(Settings(port=0), pace=pace)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
async def test_demo_plays_is_watched_and_leaves_nothing_behind() -> None:
    with running_demo("--pace", "30", "--seed", "5") as demo:
        async with (
            Client(demo.url, demo.token("Sofía Rodríguez"), proxy=None) as client,
            asyncio.timeout(LIMIT_S),
        ):
            await client.sessions.watch()
            async for event in client:
                if isinstance(event, SessionChanged) and event.session.transfer is not None:
                    assert event.session.transfer.reason
                    break
        watch = await asyncio.create_subprocess_exec(
            *demo.watch_command, "--once", env=environment(demo.folder), stdout=subprocess.PIPE
        )
        output, _ = await asyncio.wait_for(watch.communicate(), LIMIT_S)
        frame = output.decode()
        assert watch.returncode == 0
        assert "● live" in frame
        assert {one.name for one in PEOPLE if one.name not in frame} == set()
        demo.send(signal.SIGINT)
        assert await asyncio.to_thread(demo.wait_end) == 0
        assert demo.output == "Stopping ...\n"
        assert (demo.log, demo.leftovers(), demo.processes()) == ("", [], [])
