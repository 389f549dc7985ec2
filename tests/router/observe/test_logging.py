"""Logging: one JSON line for each event, of the router and of libraries, from the level on."""

import json
import subprocess
import sys

import pytest


def lines(code: str, level: str = "info") -> list[dict[str, object]]:
    """Run a statement in a process of its own after `configure`, and return what it logs."""
    script = (
        "import logging, structlog\n"
        "from relevo.router.observe.logging import configure\n"
        f"configure({level!r}); {code}"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    return [json.loads(line) for line in done.stderr.splitlines()]


@pytest.mark.parametrize("logger", ["structlog.get_logger('a')", "logging.getLogger('a')"])
def test_an_event_is_one_json_line_with_level_logger_and_time(logger: str) -> None:
    (line,) = lines(f"{logger}.warning('lease expired')")

    assert line.pop("timestamp")
    assert line == {"event": "lease expired", "level": "warning", "logger": "a"}


def test_an_exception_stands_in_its_line() -> None:
    (line,) = lines("structlog.get_logger().error('task failed', exc_info=ValueError('broken'))")

    assert "ValueError: broken" in str(line["exception"])


def test_events_below_the_level_are_left_out() -> None:
    code = "structlog.get_logger().info('a'); logging.info('b'); structlog.get_logger().error('c')"

    assert [line["event"] for line in lines(code, "error")] == ["c"]


@pytest.mark.parametrize("name", ["uvicorn.access", "httpx2", "httpcore2"])
def test_libraries_with_a_line_per_request_log_from_warning_on(name: str) -> None:
    logger = f"logging.getLogger({name!r})"

    assert [line["event"] for line in lines(f"{logger}.info('a'); {logger}.warning('b')")] == ["b"]
