"""The command `relevo audit`: what it prints, and with which exit code."""

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from relevo.router import cli
from relevo.router.bundled_store.server import BundledStore
from relevo.router.store import records
from tests.servers import (
    ClusterServers,
    SentinelServer,
    StoreServer,
    closed_port,
    free_port,
    redis_binary,
    running,
)

META = msgspec.msgpack.encode(records.MetaRecord(records.SCHEMA, 0, 0, 0, epoch="1", run="", ring=16))
EPOCH = ("HSET", "relevo:{acme}:tenant", "m", META)
AUDIT = ["audit", "--redis-url"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[StoreServer]:
    """A store in which tenant acme has begun."""
    with running(StoreServer(tmp_path)) as started:
        started.call(*EPOCH)
        yield started


def test_a_clean_store_is_said_to_be_clean(server: StoreServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*AUDIT, server.url]) == 0
    assert capsys.readouterr().out == "clean: 1 tenants, 1 keys\n"


def test_a_violation_is_a_line_with_its_keys_and_a_failure(
    server: StoreServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.call("SET", "relevo:{acme}:stray", "1")
    assert cli.main([*AUDIT, server.url]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "shape: unknown key stray (relevo:{acme}:stray)",
        "1 violations: 1 tenants, 2 keys",
    ]


def test_a_program_reads_a_violation_as_json(server: StoreServer, capsys: pytest.CaptureFixture[str]) -> None:
    server.call("SET", "relevo:{acme}:stray", "1")
    assert cli.main([*AUDIT, server.url, "--json"]) == 1
    found, summary = map(json.loads, capsys.readouterr().out.splitlines())
    assert found == {
        "tenant": "acme",
        "invariant": "shape",
        "meaning": "keys and records are of a known form, and what they name is there",
        "text": "unknown key stray",
        "keys": ["relevo:{acme}:stray"],
    }
    assert summary == {"tenants": 1, "keys": 2, "violations": 1, "unsettled": 0}


def test_one_tenant_alone_is_looked_at(server: StoreServer, capsys: pytest.CaptureFixture[str]) -> None:
    server.call("SET", "relevo:{other}:stray", "1")
    assert cli.main([*AUDIT, server.url, "--tenant", "acme"]) == 0
    assert cli.main([*AUDIT, server.url, "--tenant", "other"]) == 1


def test_a_store_that_does_not_answer_cannot_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    with closed_port() as port:
        assert cli.main([*AUDIT, f"redis://127.0.0.1:{port}", "--store-timeout-ms", "100"]) == 2
    assert capsys.readouterr().err.startswith("relevo: the store cannot be read: ")


def test_a_store_of_a_newer_schema_is_refused_with_a_sentence(
    server: StoreServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.call("SET", "relevo:{~}:schema", records.SCHEMA + 1)
    assert cli.main([*AUDIT, server.url, "--repair"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert f"the store's data is of schema {records.SCHEMA + 1}, and Relevo " in printed.err


def test_a_folder_without_a_store_is_none_to_audit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["audit", "--data-dir", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err == f"relevo: there is no store in {tmp_path / 'none'}\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_bundled_store_of_a_folder_is_audited(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with BundledStore(tmp_path / "data"):
        assert cli.main(["audit", "--data-dir", str(tmp_path / "data")]) == 0
    assert capsys.readouterr().out == "clean: 0 tenants, 0 keys\n"


@pytest.mark.slow
def test_every_shard_of_a_cluster_is_audited(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cluster = ClusterServers(tmp_path).start()
    try:
        # One tenant on each third of the slots.
        for tenant, shard in (("a", 2), ("b", 0), ("c", 1)):
            cluster.nodes[shard].call("SET", f"relevo:{{{tenant}}}:stray", "1")
        assert cli.main([*AUDIT, cluster.url]) == 1
    finally:
        cluster.stop()
    assert "6 violations: 3 tenants" in capsys.readouterr().out


@pytest.mark.slow
def test_the_primary_that_a_sentinel_names_is_audited(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    binary = redis_binary()
    if binary is None:
        pytest.skip("this machine has no redis-server")
    for name in ("primary", "sentinel"):
        (tmp_path / name).mkdir()
    with (
        running(StoreServer(tmp_path / "primary", binary=binary, port=free_port())) as primary,
        running(SentinelServer(tmp_path / "sentinel", binary, primary.port)) as sentinel,
    ):
        primary.call(*EPOCH)
        url = f"redis+sentinel://127.0.0.1:{sentinel.port}/main"
        assert cli.main([*AUDIT, url]) == 0
    assert capsys.readouterr().out == "clean: 1 tenants, 1 keys\n"


def test_what_no_tenant_can_be_called_is_refused(
    server: StoreServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*AUDIT, server.url, "--tenant", "ac*"]) == 2
    assert capsys.readouterr().err == "relevo: no tenant can be called 'ac*'\n"


def test_what_could_not_be_checked_is_no_clean_store(
    server: StoreServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relevo.router.audit.runner.ROUNDS_MAX", 1)
    assert cli.main([*AUDIT, server.url]) == 1
    assert capsys.readouterr().out == (
        "0 violations, and 1 things changed too fast to be checked: 1 tenants, 1 keys\n"
    )
