"""Incidents: the number that the client gets stands in the log, beside everything else."""

import structlog
from structlog.testing import capture_logs

from relevo.router.observe.incidents import incident


def test_an_incident_is_logged_under_the_number_it_returns() -> None:
    error = ValueError("broken")

    with capture_logs() as logs:
        number = incident(structlog.get_logger(), "command failed", error, tenant="acme")
    assert logs == [
        {
            "event": "command failed",
            "log_level": "error",
            "incident": number,
            "exc_info": error,
            "tenant": "acme",
        }
    ]


def test_two_incidents_have_two_numbers() -> None:
    with capture_logs():
        numbers = {incident(structlog.get_logger(), "command failed", ValueError()) for _ in range(2)}
    assert len(numbers) == 2
