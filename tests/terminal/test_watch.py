"""The command `relevo watch`: what it refuses, and one smoke in a terminal."""

import asyncio
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import threading
import time
from fcntl import ioctl
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Self

import pytest

from relevo.clients.terminal.watch import WatchError, run, token_source
from relevo.router.auth.tokens import UnauthorizedError, sign
from tests.raw_client import connect_agent, make_token
from tests.routers import SECRET, running_routers
from tests.servers import StoreServer, running
from tests.terminal.demo_process import LIMIT_S, RELEVO, environment

COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def test_token_source_of_a_malformed_tenant_is_refused() -> None:
    with pytest.raises(UnauthorizedError):
        token_source(partial(sign, SECRET), "a b")


def test_run_without_a_terminal_names_once() -> None:
    with pytest.raises(WatchError, match="--once"):
        run("ws://127.0.0.1:1/ws", "a.b.c")


def test_run_with_a_malformed_url_names_the_flag() -> None:
    with pytest.raises(WatchError, match="--url"):
        run("http://127.0.0.1", "a.b.c", once=True)


class ClientOfAnAgent:
    """A client that was let in with the role agent."""

    welcome = SimpleNamespace(role="agent", tenant="acme")

    def __init__(self, *_: object, **__: object) -> None: ...

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None: ...


def test_run_with_a_token_of_an_agent_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relevo.clients.terminal.watch.Client", ClientOfAnAgent)
    with pytest.raises(WatchError, match="takes a token of the role service or admin"):
        run("ws://127.0.0.1:1/ws", "a.b.c", once=True)


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
def test_watch_in_a_terminal_follows_its_size_and_a_router_restart(tmp_path: Path) -> None:
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
        terminal.wait_for("● live")
        seen = terminal.wait_for("\n╰" + "─" * 98 + "╯")
        terminal.resize(60, 30)
        seen = terminal.wait_for("\n╰" + "─" * 58 + "╯", seen)
        router.kill()
        seen = terminal.wait_for("NOT LIVE", seen)
        router.launch()
        terminal.wait_for("● live", seen)
        assert terminal.end(signal.SIGINT) == 0
        # It leaves the alternate screen, and shows the cursor again.
        terminal.wait_for("\x1b[?1049l")
        terminal.wait_for("\x1b[?25h")
        assert "Traceback" not in terminal.text


@pytest.mark.slow
async def test_watch_is_in_no_dialog(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    with (
        running(StoreServer(tmp_path / "store")) as store,
        running_routers(1, store.url, tmp_path) as (router,),
    ):
        ana = await connect_agent(router.address, make_token(SECRET, tenant="acme", sub="ana", role="agent"))
        dialog = await ana.open_dialog()
        shown = await asyncio.create_subprocess_exec(
            *(str(RELEVO), "watch", "--tenant", "acme", "--once", "--url", f"ws://{router.address}/ws"),
            env=environment(tmp_path) | {"RELEVO_JWT_SECRET": SECRET},
            stdout=subprocess.PIPE,
        )
        output, _ = await asyncio.wait_for(shown.communicate(), LIMIT_S)
        assert (shown.returncode, b"ana" in output) == (0, True)
        # What the directory has to say of it is said by now.
        await ana.command("status.set", status="pause")
        await ana.sees_agent("ana", status="pause")
        assert set(dialog.agents) == {"ana"}
