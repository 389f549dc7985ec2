"""The client's tests with both ends of the range of `websockets`, each in an environment of its own."""

from __future__ import annotations

import shutil
import subprocess
import tomllib
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CLIENT = ROOT / "clients/python"
# What a socket is part of; the others use no websockets.
TESTED = ("test_client.py", "test_client_commands.py", "test_client_connection.py")
LIMIT_S = 240

dependencies: list[str] = tomllib.loads((CLIENT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
    "dependencies"
]
(RANGE,) = (one.removeprefix("websockets>=") for one in dependencies if one.startswith("websockets>="))
LOWEST, BEYOND = RANGE.split(",<")

TOOLS = ("pytest>=9.2,<10", "pytest-asyncio>=1.5,<2")
INI = """\
[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
addopts = --import-mode=importlib
pythonpath = . {client}
"""


@pytest.mark.long
@pytest.mark.parametrize("requirement", [f"websockets=={LOWEST}.*", f"websockets=={int(BEYOND) - 1}.*"])
def test_client_passes_its_tests_with_websockets(requirement: str, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    python = str(tmp_path / "venv/bin/python")
    own = [line for line in dependencies if not line.startswith("websockets")]
    run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", requirement, *own, *TOOLS])
    shown = run([python, "-c", "import websockets; print(websockets.__version__)"])
    assert shown.split(".")[0] == requirement.removeprefix("websockets==").removesuffix(".*")

    # Alone, because the other tests need the router.
    package = tmp_path / "tests/client"
    package.mkdir(parents=True)
    for name in (*TESTED, "conftest.py", "driver.py", "scripted.py", "wire.py"):
        shutil.copy(ROOT / "tests/client" / name, package)
    (tmp_path / "pytest.ini").write_text(INI.format(client=CLIENT / "src"), encoding="utf-8")
    run([python, "-m", "pytest", "-q", "-c", str(tmp_path / "pytest.ini"), str(package)])


def run(command: list[str]) -> str:
    ended = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert ended.returncode == 0, ended.stdout[-4000:] + ended.stderr[-2000:]
    return ended.stdout
