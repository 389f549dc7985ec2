"""The live view: what it keeps of a tenant, how it looks, and how it heals."""

import asyncio
import io
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import threading
import time
from dataclasses import replace
from fcntl import ioctl
from pathlib import Path
from typing import Self

import pytest
from relevo_client import Actor, Agent, Client, Customer, Department, Owner, Party, Session, Target, Transfer
from rich.console import Console

from relevo.clients.terminal.watch import Watcher, WatchFailed, run, token_source
from relevo.clients.terminal.watch.model import TRANSFERS_MAX, Connection, Watched
from relevo.clients.terminal.watch.view import clean, picture
from relevo.router.auth.tokens import Unauthorized
from tests.routers import SECRET, RouterProcess, running_routers
from tests.servers import StoreServer, running
from tests.terminal.demo_process import LIMIT_S, RELEVO, environment

NOW_MS = 1_700_000_000_000
LIVE = Connection(is_live=True)
ANA = Agent("ana", "Ana García", "agent", ("sales",), "connected", NOW_MS - 5_000, 1, 10, 0, True)
ZOE = Agent("zoe", "Zoë Bennett", "agent", ("sales",), "pre_pause", NOW_MS - 300_000, 4, 4, 1, False)
SOFIA = Agent("sofia", "Sofía Rodríguez", "admin", (), "disconnected", NOW_MS - 9_000_000, 0, 5, 0, False)
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
SALES = Department("sales", "Ventas", 2, 1, 3)


def session(name: str, state: str = "in_progress", **changes: object) -> Session:
    row = Session(
        name, Customer("u", "Eva Núñez"), "in_progress", Owner("agent", "ana"), 1, 0, NOW_MS, NOW_MS - 65_000
    )
    return replace(row, state=state, **changes)  # type: ignore[arg-type]


def transfer(name: str, session_id: str, *, to: Party | None = None, at: int = NOW_MS) -> Transfer:
    return Transfer(
        id=name,
        session_id=session_id,
        from_=Party("agent", "ana", "Ana García"),
        to=to or Party("agent", "zoe", "Zoë Bennett"),
        by=Actor("ana", "Ana García", "agent"),
        outcome="assigned",
        at=at,
        reason="Asks for a refund",
    )


def watched(*sessions: Session, connection: Connection = LIVE) -> Watched:
    known = Watched("acme", [ANA, ZOE, SOFIA], [SALES], connection)
    for one in sessions:
        known.observe(one)
    return known


def lines(known: Watched, width: int = 200, height: int | None = None) -> list[str]:
    """Return the picture's lines, as a terminal of that size shows them, without colours."""
    console = Console(record=True, width=width, file=io.StringIO(), color_system="truecolor")
    console.print(picture(known, NOW_MS, width, height))
    return [line.rstrip() for line in console.export_text().splitlines()]


def line_of(known: Watched, text: str, width: int = 200) -> str:
    """Return the one line that holds a text, with single spaces."""
    (found,) = (line for line in lines(known, width) if text in line)
    return re.sub(r"[ │]+", " ", found)


# What is kept.


def test_an_older_state_never_replaces_a_newer_one() -> None:
    known = watched(session("s", fence=3), session("s", "pending", fence=2))
    assert known.waiting() == []


def test_a_session_opened_again_replaces_the_closed_one() -> None:
    known = watched(session("s", fence=9), session("s", "pending", fence=1, opened_at=NOW_MS + 1))
    assert len(known.waiting()) == 1


def test_a_closed_session_is_counted_no_more() -> None:
    known = watched(session("s"), session("s", "closed", fence=2, owner=None))
    assert known.count == 0


def test_a_listing_forgets_what_was_closed_while_nobody_told() -> None:
    known = watched(session("gone"), session("stays"))
    known.begin_listing()
    known.observe(session("stays"))
    known.observe(session("new"))
    known.end_listing()
    assert known.count == 2


def test_who_waits_longest_comes_first() -> None:
    late = session("late", "queued", owner=Owner("department", "sales"), updated_at=NOW_MS - 9)
    early = session("early", "pending", updated_at=NOW_MS - 10)
    assert [one.id for one in watched(late, early, session("busy")).waiting()] == ["early", "late"]


def test_the_latest_transfers_are_kept_and_no_more() -> None:
    known = watched()
    for number in range(TRANSFERS_MAX + 10):
        name = f"s{number}"
        known.observe(session(name, transfer=transfer(f"t{number}", name, at=NOW_MS + number)))
    names = [line.transfer.id for line in known.transfers()]
    assert names == [f"t{number}" for number in range(TRANSFERS_MAX + 9, 9, -1)]


# How it looks.


def test_a_department_shows_its_counts() -> None:
    assert " Ventas 2 1 3 " in line_of(watched(), "2         1      3")


def test_an_agent_shows_status_load_pending_list_and_how_long() -> None:
    assert "Ana García connected 1/10 ━───── 0 5 s Ventas" in line_of(watched(), "Ana García")
    assert "Zoë Bennett pre-pause 4/4 ━━━━━━ 1 5 min Ventas" in line_of(watched(), "Zoë Bennett")
    assert "Sofía Rodríguez disconnected 0/5 ────── 0 2 h 30 admin" in line_of(watched(), "Sofía")


def test_statuses_have_their_colours() -> None:
    console = Console(record=True, width=160, file=io.StringIO(), color_system="truecolor")
    console.print(picture(watched(), NOW_MS, 160))
    text = console.export_text(styles=True)
    assert re.search(r"\x1b\[32mconnected", text)
    assert re.search(r"\x1b\[33mpre-pause", text)
    assert re.search(r"\x1b\[31m *4/4", text)


def test_who_waits_shows_where_since_when_and_why() -> None:
    handed = transfer("t", "s", to=Party("agent", "ana", "Ana García"))
    known = watched(
        session("s", "pending", transfer=handed),
        session("q", "queued", owner=Owner("department", "sales"), updated_at=NOW_MS - 3_000),
    )
    assert "1 min Eva Núñez Ana García pending Ana García: Asks for a refund" in line_of(known, " 1 min ")
    assert "3 s Eva Núñez Ventas queue new" in line_of(known, " queue ")
    assert "2 conversations, 1 of 3 available, 1 pending, 1 queued" in lines(known)[0]


SALES_PARTY = Party("department", "sales", "Ventas")


@pytest.mark.parametrize(
    ("to", "state", "owner", "outcome"),
    [
        (None, "in_progress", Owner("agent", "zoe"), "assigned"),
        (None, "in_progress", Owner("agent", "ana"), "back with Ana García"),
        (None, "pending", Owner("agent", "zoe"), "pending"),
        (None, "pending", Owner("agent", "ana"), "pending with Ana García"),
        (SALES_PARTY, "in_progress", Owner("agent", "zoe"), "to Zoë Bennett"),
        (SALES_PARTY, "queued", Owner("department", "sales"), "queued"),
        (None, "closed", None, "closed"),
    ],
)
def test_a_transfer_shows_from_whom_to_whom_and_what_became_of_it(
    to: Party | None, state: str, owner: Owner | None, outcome: str
) -> None:
    known = watched(session("s", state, owner=owner, transfer=transfer("t", "s", to=to, at=NOW_MS - 7_000)))
    target = "Ventas" if to is SALES_PARTY else "Zoë Bennett"
    assert f" 7 s Eva Núñez Ana García {target} {outcome} Asks for a refund" in line_of(known, " 7 s ", 300)


def test_a_transfer_by_somebody_else_shows_who_it_was() -> None:
    made = replace(transfer("t", "s", at=NOW_MS - 7_000), by=Actor("sofia", "Sofía", "admin"))
    assert "Ana García by Sofía Zoë" in line_of(watched(session("s", transfer=made)), " 7 s ", 300)


def test_a_transfer_that_waited_and_was_sent_on_has_moved_on() -> None:
    waited = session("s", "pending", transfer=transfer("t1", "s", at=NOW_MS - 8_000))
    sent_on = session("s", fence=2, transfer=transfer("t2", "s", to=SALES_PARTY))
    assert "moved on" in line_of(watched(waited, sent_on), " 8 s ")


def test_what_is_not_live_says_so_and_for_how_long() -> None:
    lost = Connection(is_live=False, lost_at=NOW_MS - 12_000, problem="connection closed with 1006")
    first = lines(watched(connection=lost))[0]
    assert "NOT LIVE for 12 s: connection closed with 1006" in first
    assert "● live" not in first
    assert "● live" in lines(watched())[0]


@pytest.mark.parametrize("width", [60, 80, 159, 160, 200])
@pytest.mark.parametrize("height", [20, 24, 40, 60])
def test_the_picture_fills_its_terminal_and_no_more(width: int, height: int) -> None:
    waiting = [
        session(f"s{number}", "pending", transfer=transfer(f"t{number}", f"s{number}"))
        for number in range(50)
    ]
    shown = lines(watched(*waiting), width, height)
    assert len(shown) == height
    assert all(len(line) <= width for line in shown)
    assert any(re.search(r"… \d+ more", line) for line in shown)


def test_without_a_height_everything_is_shown() -> None:
    waiting = [session(f"s{number}", "pending") for number in range(50)]
    assert sum("Eva Núñez" in line for line in lines(watched(*waiting))) == 50


def test_a_terminal_obeys_nothing_that_others_wrote() -> None:
    wild = "\x1b]0;owned\x07\x1b[2J[bold]Eva[/bold]\r\n\u202eavE"
    assert clean(wild) == " ]0;owned  [2J[bold]Eva[/bold]   avE"
    handed = replace(transfer("t", "s"), reason=wild, by=Actor("ana", wild, "agent"))
    known = watched(session("s", "pending", customer=Customer("u", wild), transfer=handed))
    known.agents = [replace(ANA, name=wild, departments=(wild,))]
    known.departments = [replace(SALES, name=wild)]
    text = "\n".join(lines(known, 300))
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "\u202e" not in text
    assert "[bold]Eva" in text


# The command.


def test_a_tenant_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(Unauthorized):
        token_source(SECRET, "a b")


def test_an_output_that_is_no_terminal_is_told_of_once() -> None:
    with pytest.raises(WatchFailed, match="--once"):
        run("ws://127.0.0.1:1/ws", "a.b.c")


def test_an_address_that_is_none_is_refused_by_its_flag() -> None:
    with pytest.raises(WatchFailed, match="--url"):
        run("http://127.0.0.1", "a.b.c", once=True)


async def take_until(watcher: Watcher, client: Client, text: str) -> None:
    """Take in what happens until the picture says something."""
    console = Console(width=160, file=io.StringIO())
    async with asyncio.timeout(LIMIT_S):
        while True:
            with console.capture() as captured:
                console.print(watcher.draw(160, 40))
            if text in captured.get():
                return
            await watcher.take(await anext(client))


@pytest.mark.slow
async def test_the_view_heals_after_its_router_was_killed(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    with (
        running(StoreServer(tmp_path / "store")) as store,
        running_routers(1, store.url, tmp_path) as (router,),
    ):
        async with Client(f"ws://{router.address}/ws", token_source(SECRET, "acme"), proxy=None) as client:
            await client.subscribe_directory()
            await client.watch_sessions()
            watcher = Watcher(client, "acme")
            await client.put_agent("ana", "Ana García", departments=[])
            await client.open_session("s1", Customer("u", "Eva Núñez"), Target.agent("ana"))
            await take_until(watcher, client, "Eva Núñez")
            await take_until(watcher, client, "● live")
            await asyncio.to_thread(router.kill)
            await take_until(watcher, client, "NOT LIVE")
            router.launch()
            await take_until(watcher, client, "● live")
            await client.close_session("s1")
            await take_until(watcher, client, "0 pending")


class Terminal:
    """
    A terminal with a program in it.

    Args:
        command: The program.
        folder: Its temporary folder.
        columns: The width.
        rows: The height.
    """

    def __init__(self, command: list[str], folder: Path, columns: int, rows: int, **variables: str) -> None:
        self._master, slave = pty.openpty()
        self.resize(columns, rows, slave)
        self.process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment(folder, TERM="xterm-256color", **variables),
            start_new_session=True,
        )
        os.close(slave)
        # What it printed, without colours.
        self.text = ""
        self._more = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def resize(self, columns: int, rows: int, descriptor: int | None = None) -> None:
        """Give it another size."""
        size = struct.pack("HHHH", rows, columns, 0, 0)
        ioctl(self._master if descriptor is None else descriptor, termios.TIOCSWINSZ, size)

    def wait_for(self, text: str, after: int = 0) -> int:
        """Wait until a text was printed, and return how much was printed until then."""
        deadline = time.monotonic() + LIMIT_S
        with self._more:
            while text not in self.text[after:]:
                assert self._more.wait(deadline - time.monotonic()), f"no {text!r} in {self.text[-4000:]!r}"
            return len(self.text)

    def end(self, number: int) -> int:
        """Send a signal, and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(LIMIT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def _read(self) -> None:
        printed = b""
        while True:
            try:
                data = os.read(self._master, 65_536)
            except OSError:
                # The program, the last one to have the other end, has ended.
                os.close(self._master)
                return
            with self._more:
                printed += data
                self.text = COLOUR.sub("", printed.decode(errors="replace"))
                self._more.notify_all()


@pytest.mark.slow
def test_in_a_terminal_it_follows_the_size_and_leaves_it_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    with (
        running(StoreServer(tmp_path / "store")) as store,
        running_routers(1, store.url, tmp_path) as (router,),
        Terminal(
            [str(RELEVO), "watch", "--tenant", "acme", "--url", f"ws://{router.address}/ws"],
            tmp_path,
            100,
            30,
            RELEVO_JWT_SECRET=SECRET,
        ) as terminal,
    ):
        seen = terminal.wait_for("relevo watch")
        assert "● live" in terminal.text
        terminal.wait_for("\n╰" + "─" * 98 + "╯")
        terminal.resize(60, 30)
        terminal.wait_for("\n╰" + "─" * 58 + "╯", seen)
        assert terminal.end(signal.SIGINT) == 0
        # Out of the other screen, and the cursor is back.
        terminal.wait_for("\x1b[?1049l")
        terminal.wait_for("\x1b[?25h")
        assert "Traceback" not in terminal.text


@pytest.mark.slow
def test_what_it_cannot_watch_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()

    def refusal(router: RouterProcess, token: str) -> str:
        command = [str(RELEVO), "watch", "--once", "--url", f"ws://{router.address}/ws", "--token", token]
        ended = subprocess.run(
            command, env=environment(tmp_path), capture_output=True, text=True, check=False, timeout=LIMIT_S
        )
        assert (ended.returncode, ended.stdout) == (1, "")
        (line,) = ended.stderr.splitlines()
        return str(line)

    with (
        running(StoreServer(tmp_path / "store")) as store,
        running_routers(1, store.url, tmp_path) as (router,),
    ):
        agent = subprocess.run(
            [RELEVO, "token", "--tenant", "acme", "--sub", "ana", "--role", "agent"],
            env=environment(tmp_path, RELEVO_JWT_SECRET=SECRET),
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        assert refusal(router, agent) == "relevo: watching a tenant takes a token of the role admin"
        assert "unauthorized" in refusal(router, "a.b.c")
