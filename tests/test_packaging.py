"""The wheels of the router and of its Python client, installed where there is no checkout."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
import venv
from collections.abc import Mapping
from pathlib import Path

import pytest

from relevo.router import __version__
from relevo.router.api.console import CLIENTS, FOLDERS, is_for_browsers

ROOT = Path(__file__).parent.parent
NOT_SOURCES = shutil.ignore_patterns(".git", ".venv", "build", "dist", "*.egg-info", "node_modules")
NAMESAKES = ("router.py", "protocol.py", "clients.py")


class Installation:
    """A Python environment that holds the two wheels and what they depend on."""

    def __init__(self, folder: Path) -> None:
        self.python = folder / "bin/python"
        self.relevo = folder / "bin/relevo"
        (self.packages,) = folder.glob("lib/python*/site-packages")


def pip(*arguments: str | Path) -> None:
    command = [sys.executable, "-m", "pip", *map(str, arguments)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def install_wheels(folder: Path) -> None:
    """Build both wheels from a copy of the sources and install them, with what they need, from there."""
    sources, wheels = folder / "sources", folder / "wheels"
    shutil.copytree(ROOT, sources, ignore=NOT_SOURCES)
    pip("wheel", "--quiet", "--no-deps", "--wheel-dir", wheels, sources, sources / "clients/python")
    shutil.rmtree(sources)
    (router,) = wheels.glob("relevo-*.whl")
    (client,) = wheels.glob("relevo_client-*.whl")
    venv.create(folder / "installed")
    requirements = (f"relevo[demo] @ {router.as_uri()}", f"relevo-client @ {client.as_uri()}")
    pip("--python", folder / "installed", "install", "--quiet", *requirements)


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Installation:
    """Return the one installation of a run; the first worker that needs it makes it."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "packaging"
    folder.mkdir(exist_ok=True)
    done = folder / "done"
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            install_wheels(folder)
            done.touch()
    return Installation(folder / "installed")


def environ(**more: str) -> Mapping[str, str]:
    """Return an environment in which nothing says where a checkout is."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RELEVO_", "PYTHON"))}
    return kept | more


def files_for_browsers(clients: Path) -> dict[str, bytes]:
    """Return what the console serves of a folder of clients, by path."""
    return {
        f"{folder}/{name}": path.read_bytes()
        for folder in FOLDERS
        for path in (clients / folder).rglob("*")
        if path.is_file() and is_for_browsers(name := path.relative_to(clients / folder).as_posix())
    }


def version_beside_namesakes(relevo: Path, folder: Path) -> str:
    """Return what `relevo --version` prints where modules named like our folders come first."""
    for name in NAMESAKES:
        (folder / name).write_text("raise SystemExit(f'{__name__} is another program of that name')\n")
    return subprocess.check_output(
        [relevo, "--version"], env=environ(PYTHONPATH=str(folder)), cwd=folder, text=True
    )


@pytest.mark.slow
def test_a_checkout_beside_modules_of_the_same_names_runs(tmp_path: Path) -> None:
    relevo = Path(sys.executable).parent / "relevo"

    assert version_beside_namesakes(relevo, tmp_path) == f"{__version__}\n"


@pytest.mark.slow
def test_the_wheel_beside_modules_of_the_same_names_runs(installation: Installation, tmp_path: Path) -> None:
    assert version_beside_namesakes(installation.relevo, tmp_path) == f"{__version__}\n"


@pytest.mark.slow
def test_the_wheels_take_only_names_of_their_own(installation: Installation) -> None:
    for distribution, package in (("relevo", "relevo"), ("relevo_client", "relevo_client")):
        (record,) = installation.packages.glob(f"{distribution}-*.dist-info/RECORD")
        tops = {line.split(",")[0].split("/")[0] for line in record.read_text().splitlines()}

        assert tops - {"..", record.parent.name} == {package}


@pytest.mark.slow
def test_the_wheel_holds_the_console_that_a_checkout_serves(installation: Installation) -> None:
    packaged = installation.packages / "relevo/clients"

    assert files_for_browsers(packaged) == files_for_browsers(CLIENTS)
    assert not list(packaged.rglob("package*.json"))
    assert not list(packaged.rglob("node_modules"))


@pytest.mark.slow
def test_the_wheel_serves_the_console_and_what_it_loads(installation: Installation, tmp_path: Path) -> None:
    router = subprocess.Popen(
        [installation.relevo, "serve", "--port", "0", "--data-dir", "data", "--drain-ms", "0"],
        env=environ(RELEVO_JWT_SECRET="a secret of more than thirty-two bytes"),
        stderr=subprocess.PIPE,
        cwd=tmp_path,
    )
    with router:
        try:
            assert router.stderr is not None
            url = f"http://127.0.0.1:{json.loads(router.stderr.readline())['port']}"
            with urllib.request.urlopen(f"{url}/readyz", timeout=20) as answer:
                assert json.load(answer)["ready"]
            with urllib.request.urlopen(f"{url}/", timeout=20) as answer:
                named = re.findall(r'(?:src|href)="([^"]+)"', answer.read().decode())
            assert "console/main.js" in named
            for name in named:
                with urllib.request.urlopen(f"{url}/{name}", timeout=20) as answer:
                    assert answer.status == 200
        finally:
            router.send_signal(signal.SIGTERM)
            router.communicate()
    assert router.returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["router.demo", "clients.terminal.watch"])
def test_the_wheels_hold_what_demo_and_watch_import(
    installation: Installation, tmp_path: Path, name: str
) -> None:
    script = f"import relevo.{name} as module; print(module.run.__module__)"
    printed = subprocess.check_output(
        [installation.python, "-c", script], env=environ(), cwd=tmp_path, text=True
    )

    assert printed.startswith(f"relevo.{name}")
