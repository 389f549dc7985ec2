"""The files of deploy/: checked by the programs that read them, and held against the router's settings."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import cast

import pytest
import yaml

from relevo.router.api.metrics import NodeMetrics
from relevo.router.api.readiness import Readiness
from relevo.router.node import Node
from relevo.router.settings_sources import FLAG_NAMES, read_settings
from tests.router.api.fake_node import FakeNode
from tests.routers import running_routers
from tests.servers import StoreServer, running

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


@pytest.mark.slow
def test_kubernetes_manifests_fit_each_other() -> None:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("this machine has no kubectl")
    built = subprocess.run(
        [kubectl, "kustomize", DEPLOY / "kubernetes"], capture_output=True, text=True, check=True
    )
    found = {each["kind"]: each for each in yaml.safe_load_all(built.stdout)}
    deployment, service = found["Deployment"]["spec"], found["Service"]["spec"]
    pod = deployment["template"]
    labels = pod["metadata"]["labels"].items()
    for selector in (
        deployment["selector"]["matchLabels"],
        service["selector"],
        found["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
    ):
        assert selector.items() <= labels
    (router,) = pod["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in router["ports"]}
    assert service["ports"][0]["targetPort"] in ports
    assert {router[probe]["httpGet"]["port"] for probe in ("readinessProbe", "livenessProbe")} <= set(ports)
    settings = {each["name"]: each["value"] for each in router["env"]}
    read = read_settings({}, settings | {"RELEVO_JWT_SECRET_FILE": "", "RELEVO_REDIS_URL_FILE": ""}).settings
    assert (read.port, read.admin_port) == (ports["http"], ports["admin"])
    stop_ms = read.drain_delay_ms + read.drain_ms
    assert stop_ms < pod["spec"]["terminationGracePeriodSeconds"] * 1000
    assert found["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]["name"] == "relevo"


def test_compose_routers_are_where_the_proxys_file_looks() -> None:
    compose = yaml.safe_load((DEPLOY / "docker" / "compose.yaml").read_text())
    services = compose["services"]
    routers = [service for name, service in services.items() if name.startswith("router-")]
    addresses = {
        f"{each['environment']['RELEVO_HOST']}:{each['environment']['RELEVO_PORT']}" for each in routers
    }
    proxy = (DEPLOY / "proxies" / "haproxy.cfg").read_text()
    assert set(re.findall(r"^ +server \w+ (\S+)$", proxy, re.M)) == addresses
    assert {each["network_mode"] for each in routers} == {"service:proxy"}
    for each in routers:
        assert (each["read_only"], each["cap_drop"]) == (True, ["ALL"])
        assert each["environment"]["RELEVO_JWT_SECRET_FILE"] == f"/run/secrets/{each['secrets'][0]}"


@pytest.mark.slow
def test_image_is_not_root_and_its_health_check_asks_the_router(tmp_path: Path) -> None:
    text = (DEPLOY / "docker" / "Dockerfile").read_text()
    assert re.search(r"^USER (?!0)\d+$", text, re.M)
    ignored = (DEPLOY / "docker" / "Dockerfile.dockerignore").read_text().splitlines()
    assert all((DEPLOY.parent / line[1:]).exists() for line in ignored if line.startswith("!"))
    (check,) = re.findall(r"^HEALTHCHECK .* CMD (\[.*\])$", text, re.M)
    _, *arguments = json.loads(check)
    with running(StoreServer(tmp_path)) as store, running_routers(1, store.url, tmp_path) as (router,):
        environ = os.environ | {"RELEVO_PORT": str(router.port)}
        assert subprocess.run([sys.executable, *arguments], env=environ, check=False).returncode == 0
    gone = subprocess.run([sys.executable, *arguments], env=environ, capture_output=True, check=False)
    assert gone.returncode == 1
