"""
Back up and restore the bundled store of a folder.

A backup is the server's own snapshot (RDB): the data of one instant, written by a forked process while the
server works on.
"""

from __future__ import annotations

import os
import shutil
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from relevo.router.bundled_store.server import LOG, BundledStore, BundledStoreError

APPEND_ONLY_FOLDER: Final = "appendonlydir"
BASE: Final = "appendonly.aof.1.base.rdb"
MANIFEST: Final = "appendonly.aof.manifest"
SNAPSHOT: Final = "dump.rdb"
MAGIC: Final = (b"REDIS", b"VALKEY")
"""How a snapshot begins."""
POLL_S: Final = 0.05
ANSWER_LIMIT_S: Final = 10.0


def back_up(data_dir: str | Path, file: Path, limit_ms: int = 600_000) -> None:
    """
    Write the data of one instant to a file, which is complete once it has its name.

    Args:
        data_dir: The store's folder; its routers may go on.
        file: Must not be there.
        limit_ms: How long it may take.

    Raises:
        BundledStoreError: The file is there, or cannot be written, or the server cannot save.
    """
    if file.exists():
        raise BundledStoreError(f"{file} is there already")
    store = BundledStore(data_dir)
    with store as url:
        socket_path = unquote(url.removeprefix("unix://"))
        part, snapshot = file.with_name(file.name + ".part"), store.folder / SNAPSHOT
        try:
            _save(socket_path, snapshot, limit_ms / 1000)
            with snapshot.open("rb") as source, open(part, "wb", opener=_private) as target:
                shutil.copyfileobj(source, target)
                target.flush()
                os.fsync(target.fileno())
            # Not `replace`: a file that came meanwhile stays.
            os.link(part, file)
        except OSError as error:
            raise BundledStoreError(f"the backup cannot be written to {file}: {error.strerror}") from None
        finally:
            with suppress(OSError):
                part.unlink()
            with suppress(OSError):
                snapshot.unlink()


def restore(data_dir: str | Path, file: Path) -> None:
    """
    Make a store from a backup, and start it once to see that it can be read.

    Args:
        data_dir: The store's folder; it must hold no data.
        file: What `back_up` wrote.

    Raises:
        BundledStoreError: The folder holds data, or the file is no backup.
    """
    folder = Path(data_dir).expanduser().absolute()
    data = folder / APPEND_ONLY_FOLDER
    if data.exists():
        raise BundledStoreError(
            f"{folder} holds a store already: stop its routers and move the folder away, "
            "or set RELEVO_DATA_DIR to another one"
        )
    try:
        with file.open("rb") as source:
            if not source.read(16).startswith(MAGIC):
                raise BundledStoreError(f"{file} is no backup of a store")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Under its name once it is whole: a server that finds a part of it would take that for everything.
        made = folder / (APPEND_ONLY_FOLDER + ".part")
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir(mode=0o700)
        shutil.copyfile(file, made / BASE)
        (made / MANIFEST).write_text(f"file {BASE} seq 1 type b\n")
        made.rename(data)
    except OSError as error:
        raise BundledStoreError(f"{file} cannot be restored to {folder}: {error.strerror}") from None
    try:
        with BundledStore(folder):
            pass
    except BundledStoreError:
        shutil.rmtree(data, ignore_errors=True)
        raise


def _save(socket_path: str, snapshot: Path, limit_s: float) -> None:
    """Have the server write its snapshot, and return once it is whole."""
    deadline = time.monotonic() + limit_s

    def wait() -> None:
        if time.monotonic() >= deadline:
            raise BundledStoreError("the store does not finish its snapshot in time")
        # The server does not say when it is done.
        time.sleep(POLL_S)

    snapshot.unlink(missing_ok=True)
    # While the append-only file is rewritten, or another backup runs, the server refuses.
    while not (reply := _ask(socket_path, "BGSAVE")).startswith("+"):
        if "progress" not in reply:
            raise BundledStoreError(f"the store cannot write its snapshot: {reply}")
        wait()
    while "rdb_bgsave_in_progress:1" in _ask(socket_path, "INFO persistence"):
        wait()
    if not snapshot.exists():
        raise BundledStoreError(f"the store could not write its snapshot: {snapshot.with_name(LOG)} says why")


def _ask(socket_path: str, command: str) -> str:
    """Return the server's reply to an inline command: a line, or a bulk string."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(ANSWER_LIMIT_S)
            connection.connect(socket_path)
            connection.sendall(f"{command}\r\n".encode())
            with connection.makefile("rb") as replies:
                line = replies.readline().decode().strip()
                return replies.read(int(line[1:])).decode() if line.startswith("$") else line
    except OSError as error:
        raise BundledStoreError(f"the store does not answer: {error}") from None


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
