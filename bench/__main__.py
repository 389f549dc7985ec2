"""``python -m bench <scenario>``: measure, print tables, and write a report with plots."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from bench.load.workers import WorkerError, Workers
from bench.machine import describe, raise_file_limit
from bench.options import Options
from bench.progress import Progress
from bench.report import write
from bench.results import Outcome
from bench.scenarios import SCENARIOS, WITH_THEIR_OWN_SERVERS
from bench.servers import ServerError
from bench.setup import Bench


def main(arguments: list[str]) -> int:
    """Run what the command line asks for; return the exit code."""
    parser = _parser()
    parsed = parser.parse_args(arguments)
    names = list(SCENARIOS) if parsed.scenario == "all" else [parsed.scenario]
    if parsed.url is not None:
        if parsed.scenario in WITH_THEIR_OWN_SERVERS:
            parser.error(f"{parsed.scenario} starts servers of its own: leave --url out")
        names = [name for name in names if name not in WITH_THEIR_OWN_SERVERS]
    options = Options(
        url=parsed.url,
        secret=os.environ.get("RELEVO_JWT_SECRET", ""),
        clients=tuple(parsed.clients or ()),
        rates=tuple(parsed.rates or ()),
        seconds=parsed.seconds,
        binary=parsed.format == "msgpack",
        output=parsed.out,
        command=shlex.join(["python", "-m", "bench", *arguments]),
        **({"load_processes": parsed.load_processes} if parsed.load_processes else {}),
    )
    # A terminated bench stops its servers like an interrupted one.
    signal.signal(signal.SIGTERM, _interrupt)
    raise_file_limit()
    machine = describe()
    outcomes: list[Outcome] = []
    failures = []
    try:
        with Progress(quiet=parsed.quiet) as progress:
            for name in names:
                try:
                    outcomes.append(_run(name, options, progress))
                except (ServerError, WorkerError, ValueError) as error:
                    failures.append(name)
                    notes = "\n".join(getattr(error, "__notes__", ()))
                    print(f"{name} failed: {error}\n{notes}", file=sys.stderr)
    except KeyboardInterrupt:
        failures.append("interrupted")
        print("interrupted", file=sys.stderr)
    if outcomes:
        report = write(outcomes, machine, options.output)
        print(f"report: {report}")
    return 1 if failures else 0


def _run(name: str, options: Options, progress: Progress) -> Outcome:
    started = time.monotonic()
    with Workers(options.load_processes) as workers:
        outcome = SCENARIOS[name](Bench(options, workers, progress))
    outcome.seconds = time.monotonic() - started
    progress.end()
    progress.show(outcome)
    return outcome


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("scenario", choices=[*SCENARIOS, "all"])
    parser.add_argument(
        "--url", help="measure this running router (ws://host:port/ws) instead of starting one"
    )
    parser.add_argument("--clients", type=int, action="append", help="how many; may be given several times")
    parser.add_argument("--rates", type=float, action="append", help="a second; may be given several times")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of one step (default: 3)")
    parser.add_argument("--format", choices=["json", "msgpack"], default="json", help="what clients speak")
    parser.add_argument("--load-processes", type=int, help="how many processes make the load")
    parser.add_argument("--out", type=Path, default=Path("bench-results"), help="folder of the report")
    parser.add_argument("--quiet", action="store_true", help="print the path of the report only")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
