"""The programs in `examples/`, each against a real router."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from relevo_client import AsyncHttpClient, Customer, Session, Target

from relevo.router.auth.tokens import sign
from tests.routers import SECRET, RouterProcess, running_routers
from tests.servers import StoreServer, closed_port, running

EXAMPLES = Path(__file__).parents[2] / "examples"
LIMIT_S = 30

# Processes that start.
pytestmark = pytest.mark.slow
PYTHON_AGENT = [sys.executable, str(EXAMPLES / "agent.py")]
NODE_AGENT = ["node", "--experimental-websocket", str(EXAMPLES / "agent.mjs")]
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="this machine has no Node")


@pytest.fixture(scope="module")
def router(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RouterProcess]:
    with (
        running(StoreServer(tmp_path_factory.mktemp("store"))) as store,
        running_routers(1, store.url, tmp_path_factory.mktemp("router")) as (router,),
    ):
        yield router


def token(tenant: str, sub: str, role: str, **claims: object) -> str:
    now_ms = time.time_ns() // 1_000_000
    return sign(SECRET, tenant=tenant, sub=sub, role=role, ttl_s=600, now_ms=now_ms, **claims)  # type: ignore[arg-type]


def environment(token: str) -> dict[str, str]:
    return {**os.environ, "RELEVO_TOKEN": token}


@contextmanager
def running_agent(command: list[str], router: RouterProcess, tenant: str) -> Iterator[Iterator[str]]:
    """Run an agent's program as Ana of sales; yield the lines that it prints."""
    ana = token(tenant, "ana", "agent", name="Ana", departments=["sales"], capacity=5)
    process = subprocess.Popen(
        [*command, "billing", f"ws://{router.address}/ws"],
        env=environment(ana),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield iter(process.stdout.readline, "")
    finally:
        process.terminate()
        process.communicate(timeout=LIMIT_S)


def run_back_end(router: RouterProcess, tenant: str, session_id: str) -> list[str]:
    ended = subprocess.run(
        [sys.executable, EXAMPLES / "back_end.py", session_id, "Eva Núñez", f"http://{router.address}"],
        env=environment(token(tenant, "crm", "service")),
        capture_output=True,
        text=True,
        check=True,
        timeout=LIMIT_S,
    )
    return ended.stdout.splitlines()


async def read(router: RouterProcess, tenant: str, session_id: str) -> tuple[Session, list[str | None]]:
    """Return a session, and the texts of its history."""
    async with AsyncHttpClient(f"http://{router.address}", token(tenant, "test", "service")) as client:
        session = await client.sessions.get(session_id)
        return session, [entry.text async for entry in client.sessions.history(session_id)]


def test_back_end_without_agents_queues_the_session(router: RouterProcess) -> None:
    state, history = run_back_end(router, "shop", "chat-1")

    assert state == "chat-1 is queued with Owner(kind='department', id='sales')"
    assert history == "1 opened"


def test_back_end_that_is_run_again_opens_no_second_session(router: RouterProcess) -> None:
    first = run_back_end(router, "shop-twice", "chat-1")

    assert run_back_end(router, "shop-twice", "chat-1") == first


@pytest.mark.parametrize("command", [PYTHON_AGENT, pytest.param(NODE_AGENT, marks=needs_node)])
async def test_agent_accepts_what_is_pending_and_transfers_it(
    router: RouterProcess, command: list[str]
) -> None:
    tenant = Path(command[-1]).name
    async with AsyncHttpClient(f"http://{router.address}", token(tenant, "test", "service")) as client:
        await client.departments.put("sales", "Sales")
        await client.departments.put("billing", "Billing")
        await client.agents.put("ana", "Ana", departments=["sales"], capacity=5)
        opened = await client.sessions.open("chat-1", Customer("c-1", "Eva"), Target.agent("ana"))
    assert opened.state == "pending"

    with running_agent(command, router, tenant) as lines:
        assert next(lines) == "chat-1 is mine: Eva\n"
        assert next(lines) == "chat-1 transferred to billing: queued\n"

    session, texts = await read(router, tenant, "chat-1")
    assert session.owner is not None
    assert (session.state, session.owner.id) == ("queued", "billing")
    assert "needs an invoice" in texts


@pytest.mark.parametrize("command", [PYTHON_AGENT, pytest.param(NODE_AGENT, marks=needs_node)])
def test_agent_transfers_what_a_back_end_opens(router: RouterProcess, command: list[str]) -> None:
    tenant = f"live-{Path(command[-1]).name}"
    run_back_end(router, tenant, "chat-1")

    with running_agent(command, router, tenant) as lines:
        # Connecting makes Ana available, so the session that waits for sales is in her first inbox.
        assert next(lines) == "chat-1 transferred to billing: queued\n"
        run_back_end(router, tenant, "chat-2")
        assert next(lines) == "chat-2 is mine: Eva Núñez\n"
        assert next(lines) == "chat-2 transferred to billing: queued\n"


@contextmanager
def running_web_application(command: list[str], router: RouterProcess, tenant: str) -> Iterator[str]:
    """Run a web application of the examples; yield its address."""
    with closed_port() as port:
        pass
    process = subprocess.Popen(
        [sys.executable, *(argument.replace("PORT", str(port)) for argument in command)],
        env={
            **environment(token(tenant, "crm", "service")),
            "RELEVO_URL": f"http://{router.address}",
            "PYTHONUNBUFFERED": "1",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    try:
        while str(port) not in process.stdout.readline():
            assert process.poll() is None, "the application ended"
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.communicate(timeout=LIMIT_S)


FLASK = ["-m", "flask", "--app", str(EXAMPLES / "flask_app.py"), "run", "--port", "PORT"]
DJANGO = [str(EXAMPLES / "django_app.py"), "runserver", "--noreload", "127.0.0.1:PORT"]


@pytest.mark.slow
@pytest.mark.parametrize("command", [FLASK, DJANGO], ids=["flask", "django"])
async def test_web_application_opens_and_shows_many_conversations(
    router: RouterProcess, command: list[str]
) -> None:
    tenant = "web-flask" if command is FLASK else "web-django"
    async with AsyncHttpClient(f"http://{router.address}", token(tenant, "test", "service")) as relevo:
        await relevo.departments.put("sales", "Sales")
    with running_web_application(command, router, tenant) as url:
        async with httpx2.AsyncClient(base_url=url, timeout=LIMIT_S) as browser:
            opened = await asyncio.gather(
                *(browser.post(f"/chats/{number}", data={"customer": "Eva"}) for number in range(8))
            )
            again = await browser.post("/chats/0", data={"customer": "Eva"})
            shown = await browser.get("/chats/0")
            missing = await browser.get("/chats/none")

    assert [response.status_code for response in opened] == [201] * 8
    assert (again.status_code, missing.status_code) == (409, 404)
    assert shown.json() == {"id": "0", "state": "queued", "entries": ["opened"]}
