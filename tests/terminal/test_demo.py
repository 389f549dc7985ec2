"""The demo: what its people decide, how they lose their network, and the whole of it as a process."""

import asyncio
import signal
import socket
import subprocess
import sys
import unicodedata
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from relevo_client import (
    Agent,
    Client,
    Customer,
    Department,
    Event,
    Owner,
    Session,
    SessionChanged,
    Status,
    Target,
)

from relevo.clients.terminal.demo import DemoFailed, run
from relevo.clients.terminal.demo.banner import invitation
from relevo.clients.terminal.demo.decisions import (
    CUSTOMER_PATIENCE_S,
    DISPATCH_AFTER_S,
    PENDING_MAX,
    QUEUED_MAX,
    RECALL_AFTER_S,
    Accept,
    ChooseStatus,
    Close,
    Decline,
    Floor,
    Leave,
    Note,
    OpenDialog,
    Recall,
    View,
    Wait,
    choose_first_target,
    choose_rescue,
    choose_target,
    decide,
    gave_up,
    wanted_count,
)
from relevo.clients.terminal.demo.flaky_link import Network
from relevo.clients.terminal.demo.people import (
    ADMIN_REASONS,
    BY_ID,
    CUSTOMERS,
    DECLINE_REASONS,
    DEPARTMENTS,
    NOTES,
    PEOPLE,
    REASONS,
)
from relevo.clients.terminal.demo.players import Stage, look_around
from relevo.router.auth.tokens import Verifier
from relevo.router.config import Settings
from tests.servers import wait_until
from tests.terminal.demo_process import LIMIT_S, environment, running_demo

NOW_S = 1_700_000_000.0
LUCIA = BY_ID["lucia"]
STAGE = Stage(host="127.0.0.1", port=8765, secret="a secret of thirty-two bytes, or more", pace=1.0, seed=1)


def session(name: str = "chat-1", *, age_s: float = 0.0, owner: Owner | None = None) -> Session:
    at = int((NOW_S - age_s) * 1000)
    return Session(name, Customer("u", "Eva"), "in_progress", owner, 1, 0, at, at)


def agent(agent_id: str, status: Status = "connected", load: int = 0, pending: int = 0) -> Agent:
    person = BY_ID[agent_id]
    available = status == "connected" and load < person.capacity
    return Agent(
        person.id,
        person.name,
        person.role,
        person.departments,
        status,
        0,
        load,
        person.capacity,
        pending,
        available,
    )


def department(department_id: str, *, available: int = 1, queued: int = 0) -> Department:
    return Department(department_id, DEPARTMENTS[department_id], 3, available, queued)


def decisions(view: View, count: int = 400, person_id: str = "lucia") -> Counter[type]:
    """Count what an agent in this situation does, over many of them."""
    random = Random(1)
    return Counter(type(decide(BY_ID[person_id], view, NOW_S, 1.0, random)) for _ in range(count))


# Who there is.


def test_there_are_people_to_be_and_people_to_look_at() -> None:
    agents = [person for person in PEOPLE if person.role == "agent"]
    admins = [person for person in PEOPLE if person.role == "admin"]
    assert (len(DEPARTMENTS), len(agents), len(admins)) == (4, 12, 2)
    assert sum(not person.simulated for person in agents) == 2
    assert sum(not person.simulated for person in admins) == 1
    assert {person.language for person in agents} == {"es", "pt", "en"}
    assert {each for person in agents for each in person.departments} == set(DEPARTMENTS)
    assert any(not person.name.isascii() for person in agents)
    assert any(person.on_phone for person in agents)


def test_every_text_fits_the_protocol_and_shows_as_written() -> None:
    texts = [*ADMIN_REASONS, *CUSTOMERS, *DEPARTMENTS.values(), *(person.name for person in PEOPLE)]
    for table in (*REASONS.values(), DECLINE_REASONS, NOTES):
        assert set(table) == {"es", "pt", "en"}
        texts += [text for each in table.values() for text in each]
    assert set(REASONS) == set(DEPARTMENTS)
    assert len(set(CUSTOMERS)) == len(CUSTOMERS) >= 46
    for text in texts:
        assert 1 <= len(text) <= 120
        assert unicodedata.is_normalized("NFC", text)
        assert text.isprintable()


# What they decide.


def test_an_agent_with_nothing_waits_or_changes_its_status() -> None:
    assert set(decisions(View("connected", [], [], {}))) == {Wait, ChooseStatus, Leave}


def test_an_agent_at_work_does_all_that_agents_do() -> None:
    view = View(
        "connected", [session(age_s=100)], [session("chat-2")], {"chat-3": NOW_S - RECALL_AFTER_S - 1}
    )
    assert set(decisions(view)) == {
        Wait,
        ChooseStatus,
        Leave,
        Accept,
        Decline,
        Note,
        Close,
        OpenDialog,
        Recall,
    }


def test_a_young_conversation_is_not_closed_and_a_young_transfer_not_recalled() -> None:
    seen = decisions(View("connected", [session(age_s=1)], [], {"chat-3": NOW_S - 1}))
    assert not {Close, Recall} & set(seen)


def test_nobody_accepts_on_a_pause_or_above_capacity() -> None:
    waiting = [session("waits")]
    assert Accept not in decisions(View("pause", [], waiting, {}))
    full = [session(f"chat-{number}") for number in range(LUCIA.capacity)]
    assert Accept not in decisions(View("connected", full, waiting, {}))


def test_nobody_stays_on_a_pause_for_ever() -> None:
    seen = decisions(View("pause", [], [], {}))
    assert seen[ChooseStatus] > 50
    # The router has made a pause of a pre-pause with nothing left to do.
    assert decisions(View("pre_pause", [], [], {})) == seen


def test_only_who_is_on_a_phone_leaves_without_a_goodbye() -> None:
    def goodbyes(person_id: str) -> set[bool]:
        random, view = Random(1), View("connected", [], [], {})
        actions = [decide(BY_ID[person_id], view, NOW_S, 1.0, random) for _ in range(1000)]
        return {action.says_goodbye for action in actions if isinstance(action, Leave)}

    assert goodbyes("lucia") == {True}
    assert goodbyes("inaki") == {True, False}


def test_nobody_sends_to_where_enough_wait() -> None:
    full = [agent("emily", "pause", pending=PENDING_MAX)]
    queued = [department(each, queued=QUEUED_MAX) for each in DEPARTMENTS]
    assert choose_target(LUCIA, full, queued, Random(1)) is None


def test_a_transfer_goes_to_somebody_else_for_a_reason_of_theirs() -> None:
    rows = [agent("lucia"), agent("emily"), agent("helena")]
    for seed in range(50):
        chosen = choose_target(LUCIA, rows, [], Random(seed))
        assert chosen is not None
        target, reason = chosen
        assert target == Target.agent("emily")
        assert reason in REASONS["returns"]["es"]


def test_whoever_signs_in_gets_more_than_others() -> None:
    rows = [agent("ana"), agent("emily")]
    chosen = [choose_target(LUCIA, rows, [], Random(seed)) for seed in range(100)]
    assert sum(each is not None and each[0].id == "ana" for each in chosen) > 60


def test_the_number_of_conversations_swings_within_its_bounds() -> None:
    counts = {wanted_count(NOW_S + second, 1.0) for second in range(600)}
    assert (min(counts), max(counts)) == (34, 46)


def test_new_conversations_avoid_what_is_full() -> None:
    pending = [session(f"p{number}", owner=Owner("agent", "ana")) for number in range(PENDING_MAX)]
    queued = [session(f"q{number}", owner=Owner("department", "ventas")) for number in range(QUEUED_MAX)]
    floor = Floor([], pending, queued)
    targets = {choose_first_target(floor, Random(seed)) for seed in range(300)}
    assert {target.kind for target in targets} == {"agent", "department"}
    assert not {Target.agent("ana"), Target.department("ventas")} & targets


def test_a_customer_who_hears_nothing_goes() -> None:
    lost = session("lost", age_s=CUSTOMER_PATIENCE_S + 1)
    assert gave_up(Floor([session()], [lost], []), NOW_S, 1.0) == [lost]


def rescue(waiting: Session, *rows: Agent, open_department: str = "returns") -> tuple[Session, Target] | None:
    agents = {row.id: row for row in rows}
    return choose_rescue(
        Floor([], [waiting], []),
        agents,
        {open_department: department(open_department)},
        NOW_S,
        1.0,
        Random(1),
    )


def test_an_admin_sends_on_what_waits_too_long() -> None:
    late = session(age_s=DISPATCH_AFTER_S + 1, owner=Owner("agent", "lucia"))
    found = rescue(late, agent("lucia", "pause", pending=1), agent("emily"))
    assert found is not None
    assert found[0] == late
    assert found[1] in (Target.department("returns"), Target.agent("emily"))
    recent = replace(late, updated_at=int(NOW_S * 1000))
    assert rescue(recent, agent("lucia", "pause", pending=1), agent("emily")) is None


def test_an_admin_leaves_the_list_of_somebody_who_looks_alone() -> None:
    late = session(age_s=DISPATCH_AFTER_S * 5, owner=Owner("agent", "ana"))
    assert rescue(late, agent("ana", "pause", pending=1), agent("emily")) is None
    assert rescue(late, agent("ana", "disconnected", pending=1), agent("emily")) is not None


def test_an_admin_sends_nothing_to_where_nobody_is() -> None:
    late = session(age_s=DISPATCH_AFTER_S + 1, owner=Owner("agent", "lucia"))
    assert rescue(late, agent("lucia", "pause", pending=1), agent("ana")) is None


# What is printed.


async def test_every_link_lets_its_person_in() -> None:
    now_ms = 1_700_000_000_000
    text = invitation(STAGE, "relevo", now_ms)
    verifier = Verifier(Settings(jwt_secret=STAGE.secret), now_ms=lambda: now_ms)
    links = [line for line in text.splitlines() if "#token=" in line and line.startswith("  ")]
    assert len(links) == len(PEOPLE)
    for person in PEOPLE:
        (link,) = (line for line in links if line.strip().startswith(f"{person.name} "))
        base, token = link.split()[-1].split("#token=")
        assert base == "http://127.0.0.1:8765/"
        principal = await verifier.verify(token)
        assert (principal.tenant, principal.sub, principal.role) == ("demo", person.id, person.role)


async def test_the_command_to_watch_has_an_admins_token() -> None:
    now_ms = 1_700_000_000_000
    (line,) = (each for each in invitation(STAGE, "relevo", now_ms).splitlines() if "relevo watch" in each)
    assert line.startswith("  relevo watch --url ws://127.0.0.1:8765/ws --token ")
    principal = await Verifier(Settings(jwt_secret=STAGE.secret), now_ms=lambda: now_ms).verify(
        line.split()[-1]
    )
    assert (principal.role, principal.sub) == ("admin", "watch")


def test_an_ipv6_address_stands_in_brackets() -> None:
    assert replace(STAGE, host="::1").url() == "ws://[::1]:8765/ws"


# The network that fails.


@asynccontextmanager
async def echo_server() -> AsyncIterator[int]:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    writer.write(b"hello")
    return await reader.read(100)


async def test_a_cut_network_ends_calls_and_takes_none_until_it_is_mended() -> None:
    async with echo_server() as far_port:
        network = Network("127.0.0.1", far_port)
        port = await network.open()
        call = await asyncio.open_connection("127.0.0.1", port)
        assert await ask(*call) == b"hello"
        network.cut()
        assert await call[0].read() == b""
        other = await asyncio.open_connection("127.0.0.1", port)
        assert await other[0].read() == b""
        network.mend()
        third = await asyncio.open_connection("127.0.0.1", port)
        assert await ask(*third) == b"hello"
        await network.close()
        assert await third[0].read() == b""
        for _, writer in (call, other, third):
            writer.transport.abort()


async def test_a_network_to_nowhere_ends_the_call() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        network = Network("127.0.0.1", closed.getsockname()[1])
        reader, writer = await asyncio.open_connection("127.0.0.1", await network.open())
        assert await reader.read() == b""
        writer.transport.abort()
        await network.close()


# What is refused.


def test_a_port_that_is_taken_is_said_with_the_way_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(DemoFailed, match=rf"cannot listen on 127\.0\.0\.1:{port}: .*--port"):
            run(Settings(port=port))


def test_a_demo_cannot_make_tokens_for_the_keys_of_others() -> None:
    with pytest.raises(DemoFailed, match="unset RELEVO_JWKS"):
        run(Settings(port=0, jwks="https://keys.example/jwks"))


@pytest.mark.parametrize("pace", [0.0, -1.0, 1e6, float("nan")])
def test_a_pace_that_is_none_is_refused(pace: float) -> None:
    with pytest.raises(DemoFailed, match="the pace must be"):
        run(Settings(port=0), pace=pace)


# The whole of it.

needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")


async def next_event(client: Client) -> Event:
    async with asyncio.timeout(LIMIT_S):
        return await anext(client)


@needs_proc
@pytest.mark.slow
async def test_the_demo_lives_and_ends_without_a_trace() -> None:
    with running_demo("--pace", "30", "--seed", "5") as demo:
        seen: Counter[str] = Counter()
        async with Client(demo.url, demo.token("Sofía Rodríguez"), proxy=None) as client:
            await client.subscribe_directory()
            await client.watch_sessions()
            chose: dict[str, set[Status]] = {person.id: set() for person in PEOPLE}
            wanted = {"assigned", "pending", "queued", "closed", "in_progress"}
            busy: set[str] = set()
            while not (wanted <= set(seen) and seen["transfers"] >= 20 and len(busy) >= 5):
                event = await next_event(client)
                for person_id, row in client.directory.agents.items():
                    if person_id in chose:
                        chose[person_id].add(row.status)
                busy = {person_id for person_id, statuses in chose.items() if len(statuses) > 1}
                if isinstance(event, SessionChanged):
                    seen[event.session.state] += 1
                    if event.session.transfer is not None:
                        assert event.session.transfer.reason
                        seen["transfers"] += 1
                        seen[event.session.transfer.outcome] += 1
            assert not {"ana", "joao"} & busy
            floor = await look_around(client)
            assert 20 <= floor.count <= 60
        demo.send(signal.SIGINT)
        assert await asyncio.to_thread(demo.wait_end) == 0
        assert demo.output == "Stopping ...\n"
        assert demo.log == ""
        assert demo.leftovers() == []
        assert demo.processes() == []


@needs_proc
@pytest.mark.slow
async def test_a_free_agent_is_found_by_conversations_once_somebody_is_there() -> None:
    with running_demo("--pace", "30", "--seed", "6") as demo:
        async with Client(demo.url, demo.token("Ana García Peña"), proxy=None) as client:
            await client.set_status("connected")
            while not client.inbox.in_progress:
                await next_event(client)
        demo.send(signal.SIGTERM)
        assert await asyncio.to_thread(demo.wait_end) == 0
        assert demo.leftovers() == []


@needs_proc
@pytest.mark.slow
def test_a_killed_demo_takes_its_router_and_its_store_along() -> None:
    with running_demo("--pace", "30") as demo:
        assert len(demo.processes()) > 2
        demo.send(signal.SIGKILL)
        assert demo.wait_end() == -signal.SIGKILL
        wait_until(lambda: not demo.processes(), "the router and the store to end")


@needs_proc
@pytest.mark.slow
def test_a_demo_whose_router_dies_says_so_and_leaves_nothing() -> None:
    with running_demo("--pace", "30") as demo:
        for process_id in demo.processes():
            command = Path(f"/proc/{process_id}/cmdline").read_bytes()
            if b"spawn_main" in command:
                subprocess.run(["kill", "-KILL", str(process_id)], check=True)
        assert demo.wait_end() == 1
        assert demo.log.splitlines()[-1] == "relevo: the router ended with code -9"
        assert demo.leftovers() == []


@pytest.mark.slow
async def test_a_kept_demo_goes_on_where_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    for is_first in (True, False):
        with running_demo("--keep", str(folder)) as demo:
            async with Client(demo.url, demo.token("Sofía Rodríguez"), proxy=None) as client:
                if is_first:
                    await client.open_session("kept", Customer("u", "Eva"))
                assert (await client.get_session("kept")).customer.name == "Eva"
            demo.send(signal.SIGINT)
            assert await asyncio.to_thread(demo.wait_end) == 0
    assert folder.is_dir()


@pytest.mark.slow
async def test_the_demo_is_watched_by_the_command_that_it_prints() -> None:
    with running_demo("--pace", "30") as demo:
        watch = await asyncio.create_subprocess_exec(
            *demo.watch_command, "--once", env=environment(demo.folder), stdout=subprocess.PIPE
        )
        output, _ = await asyncio.wait_for(watch.communicate(), LIMIT_S)
    picture = output.decode()
    assert watch.returncode == 0
    assert "● live" in picture
    for name in (*(person.name for person in PEOPLE), *DEPARTMENTS.values(), "relevo watch"):
        assert name in picture
    assert "\x1b" not in picture
