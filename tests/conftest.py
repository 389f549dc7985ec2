"""For every test: its workers, its markers, and that on CI nothing is left out in silence."""

import os

import pytest

pytest_plugins = ["tests.traceability"]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Use more workers than there are processors: most tests wait for other processes."""
    return (os.cpu_count() or 1) * 3 // 2 + 1


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail a run on CI that skipped a test: there every tool is installed."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") == "true" and exitstatus == 0 and reporter and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
