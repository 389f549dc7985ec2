"""The commands of the README, as written, against a real router."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.routers import SECRET, running_routers
from tests.servers import StoreServer, running

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
SECTION = re.search(r"## A client in ten lines\n(.*?)\n## ", README, re.DOTALL)
LIMIT_S = 60

# Processes that start.
pytestmark = pytest.mark.slow


def blocks() -> list[str]:
    """Return the indented blocks of the section, as shell scripts."""
    assert SECTION is not None
    found = re.findall(r"(?:^    .*\n|^\n(?=    ))+", SECTION[1], re.MULTILINE)
    return [re.sub(r"^    ", "", block, flags=re.MULTILINE) for block in found]


@pytest.mark.skipif(shutil.which("curl") is None, reason="this machine has no curl")
def test_readme_commands_print_what_it_says(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    client, back_end = blocks()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RELEVO_")}
    with (
        running(StoreServer(tmp_path / "store")) as store,
        running_routers(1, store.url, tmp_path) as (router,),
    ):

        def run(script: str) -> str:
            script = script.replace(".venv/bin/", f"{Path(sys.executable).parent}/")
            return subprocess.run(
                ["bash", "-e", "-c", script.replace("8765", str(router.port))],
                env={**environment, "RELEVO_JWT_SECRET": SECRET},
                capture_output=True,
                text=True,
                check=True,
                timeout=LIMIT_S,
            ).stdout

        printed = re.search(r"prints `(Ana .*?)`", README)
        assert printed is not None
        assert run(client) == f"{printed[1]}\n"
        assert json.loads(run(back_end))["session"]["id"] == "s1"
