"""The README, from top to bottom: its programs against a real router, and its names against the package."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import relevo_client

from relevo.router.auth.tokens import sign
from tests.routers import SECRET, RouterProcess, running_routers
from tests.servers import StoreServer, running

README = (Path(__file__).parents[2] / "clients" / "python" / "README.md").read_text(encoding="utf-8")
DIRECTORY, AGENT, ADMIN, BACK_END = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
LIMIT_S = 30


@pytest.fixture(scope="module")
def router(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RouterProcess]:
    with (
        running(StoreServer(tmp_path_factory.mktemp("store"))) as store,
        running_routers(1, store.url, tmp_path_factory.mktemp("router")) as (router,),
    ):
        yield router


def start(router: RouterProcess, program: str, role: str) -> subprocess.Popen[str]:
    """Run a program of the README, with this router's address in it."""
    now_ms = time.time_ns() // 1_000_000
    token = sign(
        SECRET, tenant="acme", sub=role, role=role, ttl_s=600, now_ms=now_ms, name=f"The {role}", capacity=5
    )
    assert "127.0.0.1:8765" in program
    return subprocess.Popen(
        [sys.executable, "-u", "-c", program.replace("127.0.0.1:8765", router.address)],
        env={**os.environ, "RELEVO_TOKEN": token, "RELEVO_SERVICE_TOKEN": token},
        stdout=subprocess.PIPE,
        text=True,
    )


def output(process: subprocess.Popen[str]) -> str:
    text = process.communicate(timeout=LIMIT_S)[0]
    assert process.returncode == 0
    return text


def first_line(process: subprocess.Popen[str]) -> str:
    """Return the first line of a program that runs on, and end it."""
    assert process.stdout is not None
    try:
        return process.stdout.readline()
    finally:
        process.terminate()
        process.communicate(timeout=LIMIT_S)


def test_program_of_the_directory_prints_its_agents(router: RouterProcess) -> None:
    assert "The agent            connected    0/5\n" in output(start(router, DIRECTORY, "agent"))


def test_program_of_an_agent_prints_its_sessions(router: RouterProcess) -> None:
    assert first_line(start(router, AGENT, "agent")) == "in progress: []\n"


def test_program_of_an_admin_prints_the_directory(router: RouterProcess) -> None:
    assert re.match(r"The (agent|admin): \w+ 0/5\n", first_line(start(router, ADMIN, "admin")))


def test_program_of_a_back_end_opens_and_transfers(router: RouterProcess) -> None:
    state, history = output(start(router, BACK_END, "service")).splitlines()
    assert state.endswith(": queued")
    assert history == "['opened', 'transferred', 'internal']"


def test_readme_names_every_error_and_event() -> None:
    errors = {name for name in relevo_client.__all__ if name.endswith("Error")}
    events = {event.__name__ for event in relevo_client.Event.__args__}

    assert {name for name in errors | events if name not in README} == set()
