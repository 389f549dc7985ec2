"""The files of deploy/: checked by the programs that read them, and held against the router's settings."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from relevo.router.settings_sources import FLAG_NAMES

DEPLOY = Path(__file__).parents[1] / "deploy"


@pytest.mark.slow
def test_systemd_units_are_valid_and_hardened(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("this machine has no systemd-analyze")
    for unit in (DEPLOY / "systemd").iterdir():
        # The program need not be installed here.
        text = re.sub(r"^(ExecStart(?:Pre)?)=/opt/relevo/\S+", r"\1=/bin/true", unit.read_text(), flags=re.M)
        (tmp_path / unit.name).write_text(text)
    units = sorted(map(str, tmp_path.iterdir()))
    checked = subprocess.run([analyze, "verify", *units], capture_output=True, text=True, check=False)
    ours = [line for line in checked.stderr.splitlines() if "relevo" in line]
    assert (checked.returncode, ours) == (0, [])
    exposed = subprocess.run(
        [analyze, "security", "--offline=true", "--threshold=20", str(tmp_path / "relevo.service")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert exposed.returncode == 0, exposed.stdout[-200:]


def test_deploy_names_no_setting_that_is_not_there() -> None:
    known = {f"RELEVO_{name.upper()}" for name in FLAG_NAMES} | {"RELEVO_TOKEN"}
    named = {
        (file.name, variable)
        for file in DEPLOY.rglob("*")
        if file.is_file()
        for variable in re.findall(r"RELEVO_[A-Z_]+[A-Z]", file.read_text())
    }
    assert {variable for _, variable in named} <= known
    assert named
