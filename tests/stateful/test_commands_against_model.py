"""The commands in the store do what the model does, whatever is asked in whatever order."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.servers import StoreServer, running
from tests.stateful.machine import CommandsAgainstModel
from tests.stateful.stored import CommandRunner

# Some thousand steps; `make model` takes thousands of examples.
EXAMPLES = int(os.environ.get("EXAMPLES", "60"))
STEPS = 50


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandRunner]:
    """The real commands in a server of their own."""
    with running(StoreServer(tmp_path_factory.mktemp("model"))) as server:
        opened = CommandRunner(server)
        yield opened
        opened.close()


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_the_commands_do_what_the_model_does(
    stored: CommandRunner, capsys: pytest.CaptureFixture[str]
) -> None:
    class Machine(CommandsAgainstModel):
        pass

    Machine.stored = stored
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    with capsys.disabled():
        print(f" {Machine.steps} steps", end="")
