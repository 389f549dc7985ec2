"""Run `relevo demo` in a temporary folder, to see what it leaves behind."""

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers import wait_until

RELEVO = Path(sys.executable).with_name("relevo")
LIMIT_S = 30.0


def environment(temporary: Path, **variables: str) -> dict[str, str]:
    """Return this environment without settings of router or terminal, and with another temporary folder."""
    terminal = ("COLUMNS", "LINES")
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("RELEVO_") and name not in terminal
    }
    return kept | {"TMPDIR": str(temporary), "PYTHONUNBUFFERED": "1"} | variables


class DemoProcess:
    """
    One ``relevo demo``.

    Args:
        folder: Its temporary folder.
        flags: Further words of its command line.
    """

    def __init__(self, folder: Path, *flags: str) -> None:
        self.folder = folder
        self._log = (folder / "demo.log").open("w+")
        self._process = subprocess.Popen(
            [RELEVO, "demo", "--port", "0", *flags],
            env=environment(folder),
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        self.banner = ""
        self.output = ""

    def wait_banner(self) -> None:
        """Read its output up to the end of the banner."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.banner += line
            if line.startswith("Ctrl-C"):
                return
        raise AssertionError(f"the demo ended:\n{self.banner}{self.log}")

    @property
    def url(self) -> str:
        """The address of its websocket."""
        found = re.search(r"ws://\S+/ws", self.banner)
        assert found is not None
        return found[0]

    def token(self, name: str) -> str:
        """Return the token in a person's link."""
        found = re.search(rf"^ +{name} .*#token=(\S+)$", self.banner, re.MULTILINE)
        assert found is not None
        return found[1]

    @property
    def watch_command(self) -> list[str]:
        """The command that it prints for another terminal."""
        found = re.search(r"^ +\S*relevo (watch .*)$", self.banner, re.MULTILINE)
        assert found is not None
        return [str(RELEVO), *found[1].split()]

    @property
    def log(self) -> str:
        """Its standard error."""
        return (self.folder / "demo.log").read_text()

    def send(self, number: int) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def wait_end(self) -> int:
        """Return its exit code once it has ended."""
        self.output = self._process.communicate(timeout=LIMIT_S)[0]
        return self._process.returncode

    def processes(self) -> list[int]:
        """Return the ids of all processes that it started and that still live."""
        mark = f"TMPDIR={self.folder}\0".encode()
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (process / "environ").read_bytes():
                    found.append(int(process.name))
            except OSError:
                # It ended meanwhile, or is another user's.
                continue
        return found

    def leftovers(self) -> list[str]:
        """Return what is left in its temporary folder."""
        return [path.name for path in self.folder.iterdir() if path.name != "demo.log"]

    def close(self) -> None:
        """End it if it still runs."""
        if self._process.poll() is None:
            self.send(signal.SIGTERM)
            try:
                self.wait_end()
            except subprocess.TimeoutExpired:
                self.send(signal.SIGKILL)
                self.wait_end()
        self._log.close()


@contextmanager
def running_demo(*flags: str) -> Iterator[DemoProcess]:
    """Run a demo on a free port, from its banner on, and end it."""
    # Not pytest's own: its name is too long for a store's socket in a folder in it.
    with tempfile.TemporaryDirectory(prefix="demo") as folder:
        demo = DemoProcess(Path(folder), *flags)
        try:
            demo.wait_banner()
            yield demo
        finally:
            demo.close()
            wait_until(lambda: not demo.processes(), "the processes of the demo to end")
