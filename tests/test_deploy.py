"""The files of deploy/: checked by the programs that read them, and held against the router's settings."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import cast

import pytest

from relevo.router.api.metrics import NodeMetrics
from relevo.router.api.readiness import Readiness
from relevo.router.node import Node
from relevo.router.settings_sources import FLAG_NAMES
from tests.router.api.fake_node import FakeNode

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


ALERTS = DEPLOY / "monitoring" / "alerts.yml"


@pytest.mark.slow
def test_alert_rules_pass_their_tests() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("this machine has no promtool")
    for command in (
        ["check", "rules", str(ALERTS)],
        ["test", "rules", str(ALERTS.with_name("alerts.test.yml"))],
    ):
        done = subprocess.run([promtool, *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_has_its_section_in_the_runbook() -> None:
    alerts = re.findall(r"- alert: (\w+)", ALERTS.read_text())
    sections = re.findall(r"^## (Relevo\w+)$", (DEPLOY.parent / "docs" / "RUNBOOK.md").read_text(), re.M)
    assert sections == alerts


async def test_alerts_name_metrics_that_a_router_has() -> None:
    node = cast(Node, FakeNode())
    page = (await NodeMetrics(node, Readiness(node)).page()).decode()
    exposed = set(re.findall(r"^# TYPE (\w+)", page, re.M))
    named = set(re.findall(r"\b(?:relevo|process)_[a-z_]+", ALERTS.read_text()))
    assert named <= exposed
