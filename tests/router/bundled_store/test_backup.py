"""A backup of the bundled store, and the store that is made from it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import redis

from relevo.router import cli
from relevo.router.bundled_store.backup import back_up, restore
from relevo.router.bundled_store.server import BundledStore, BundledStoreError
from tests.router.bundled_store.test_server import ask


def run_id(url: str) -> str:
    return str(ask(url, "INFO", "replication")["master_replid"])


@pytest.mark.slow
def test_a_restored_store_holds_what_was_backed_up(tmp_path: Path) -> None:
    file = tmp_path / "backup"
    with BundledStore(tmp_path / "data") as url:
        before = run_id(url)
        ask(url, "SET", "chat", "open")
        ask(url, "HSET", "tenant", "m", "two words")
        ask(url, "SET", "short", "lived", "EX", "1000")
        assert cli.main(["store", "backup", str(file), "--data-dir", str(tmp_path / "data")]) == 0
        ask(url, "SET", "chat", "closed")
        assert run_id(url) == before
    assert cli.main(["store", "restore", str(file), "--data-dir", str(tmp_path / "other")]) == 0
    for _ in range(2):
        with BundledStore(tmp_path / "other") as url:
            assert (ask(url, "GET", "chat"), ask(url, "HGET", "tenant", "m")) == (b"open", b"two words")
            assert 0 < ask(url, "TTL", "short") <= 1000
            # Another epoch: what clients have heard since is not so any more.
            assert run_id(url) != before
            ask(url, "SET", "later", "too")
    with BundledStore(tmp_path / "other") as url:
        assert ask(url, "GET", "later") == b"too"


@pytest.mark.slow
def test_a_backup_under_writes_is_of_one_instant(tmp_path: Path) -> None:
    ended, written = threading.Event(), threading.Event()

    def write(url: str) -> None:
        with redis.Redis.from_url(url) as client:
            number = 0
            while not ended.is_set():
                number += 1
                client.mset({"first": number, "last": number})
                written.set()

    with BundledStore(tmp_path / "data") as url:
        writer = threading.Thread(target=write, args=(url,))
        writer.start()
        try:
            assert written.wait(10)
            back_up(tmp_path / "data", tmp_path / "backup")
        finally:
            ended.set()
            writer.join()
        newest = int(ask(url, "GET", "last"))
    restore(tmp_path / "other", tmp_path / "backup")
    with BundledStore(tmp_path / "other") as url:
        first, last = ask(url, "MGET", "first", "last")
    assert first == last
    assert 0 < int(first) <= newest


@pytest.mark.slow
def test_a_backup_leaves_nothing_behind_but_its_file(tmp_path: Path) -> None:
    with BundledStore(tmp_path / "data") as url:
        ask(url, "SET", "chat", "open")
        before = {path.name for path in (tmp_path / "data").iterdir()}
        back_up(tmp_path / "data", tmp_path / "backup")
        assert {path.name for path in (tmp_path / "data").iterdir()} == before
    assert {path.name for path in tmp_path.iterdir()} == {"data", "backup"}
    assert (tmp_path / "backup").stat().st_mode & 0o077 == 0


def test_a_backup_replaces_no_file(tmp_path: Path) -> None:
    (tmp_path / "backup").write_text("older")
    with pytest.raises(BundledStoreError, match="is there already"):
        back_up(tmp_path / "data", tmp_path / "backup")
    assert (tmp_path / "backup").read_text() == "older"


def test_a_restore_replaces_no_store(tmp_path: Path) -> None:
    (tmp_path / "data/appendonlydir").mkdir(parents=True)
    (tmp_path / "backup").write_bytes(b"REDIS0011")
    with pytest.raises(BundledStoreError, match="holds a store already"):
        restore(tmp_path / "data", tmp_path / "backup")


@pytest.mark.slow
@pytest.mark.parametrize("content", [b"", b"text", b"REDIS0011 and no more"])
def test_a_file_that_is_no_backup_is_not_restored(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "backup").write_bytes(content)
    with pytest.raises(BundledStoreError):
        restore(tmp_path / "data", tmp_path / "backup")
    assert not (tmp_path / "data/appendonlydir").exists()


def test_backup_and_restore_are_for_the_bundled_store(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("backup", "restore"):
        assert cli.main(["store", command, "file", "--redis-url", "redis://127.0.0.1:1"]) == 2
        assert "use its own tools" in capsys.readouterr().err
