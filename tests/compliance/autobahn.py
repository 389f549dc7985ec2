"""
Run the Autobahn fuzzing client against the echo: ``python -m tests.compliance.autobahn [CASE ...]``.

The suite needs Python 2.7. One is looked for in AUTOBAHN_PYTHON, on PATH and among pyenv's; if it lacks the
suite, its pip puts it into a folder of the project. Without one, this says so and fails.
"""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import uvloop

from tests.compliance.echo import serve_echo

SUITE = "autobahntestsuite==0.8.2"
FOLDER = Path("build/autobahn")
REPORT = Path("build/compliance")
LIMIT_S = 900.0
# Compression is never negotiated.
NOT_APPLICABLE = ("12.*", "13.*")
# INFORMATIONAL marks the cases for which RFC 6455 leaves the answer open.
GOOD = {"OK", "NON-STRICT", "INFORMATIONAL"}

PROGRAM = f"import site; site.addsitedir({str(FOLDER)!r}); from autobahntestsuite.wstest import run; run()"
IS_27 = "import sys; sys.exit(sys.version_info[:2] != (2, 7))"
HAS_SUITE = f"import site; site.addsitedir({str(FOLDER)!r}); import autobahntestsuite.wstest"


def candidates() -> Iterator[str]:
    """Yield programs that may be a Python 2.7."""
    if given := os.environ.get("AUTOBAHN_PYTHON"):
        yield given
        return
    for name in ("python2.7", "pypy2", "pypy2.7", "pypy", "python2"):
        if found := shutil.which(name):
            yield found
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    yield from map(str, sorted(versions.glob("*2.7*/bin/python")))


def works(python: str, program: str) -> bool:
    """Return whether a one-line program ends well."""
    try:
        return subprocess.run([python, "-W", "ignore", "-c", program], capture_output=True).returncode == 0
    except OSError:
        return False


def find_python() -> str:
    """Return a Python 2.7 that has the suite; exit with what is missing if there is none."""
    looked_at = list(candidates())
    python = next((python for python in looked_at if works(python, IS_27)), None)
    if python is None:
        sys.exit(
            "The Autobahn suite needs a Python 2.7, and none was found"
            + (f" (looked at: {', '.join(looked_at)})" if looked_at else "")
            + ". Set AUTOBAHN_PYTHON to one."
        )
    if not works(python, HAS_SUITE):
        command = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        if subprocess.run([*command, "--target", str(FOLDER), SUITE]).returncode != 0:
            sys.exit(f"{python} has no {SUITE}, and could not install it.")
        if not works(python, HAS_SUITE):
            sys.exit(f"{python} cannot use the suite in {FOLDER}.")
    return python


async def run_suite(python: str, cases: Sequence[str]) -> int:
    """Serve the echo while the suite runs; return the suite's exit code."""
    async with serve_echo() as port:
        plan = {
            "outdir": str(REPORT),
            "servers": [{"agent": "relevo", "url": f"ws://127.0.0.1:{port}/ws"}],
            "cases": list(cases),
            "exclude-cases": NOT_APPLICABLE,
            "exclude-agent-cases": {},
        }
        spec = REPORT / "spec.json"
        spec.write_text(json.dumps(plan))
        with (REPORT / "log").open("wb") as log:
            suite = await asyncio.create_subprocess_exec(
                *(python, "-W", "ignore", "-c", PROGRAM, "-m", "fuzzingclient", "-s", str(spec)),
                stdout=log,
                stderr=log,
            )
            try:
                return await asyncio.wait_for(suite.wait(), LIMIT_S)
            finally:
                if suite.returncode is None:
                    suite.kill()
                    await suite.wait()


def verdict() -> int:
    """Print how many cases went how, and each that went wrong; return the exit status."""
    cases = json.loads((REPORT / "index.json").read_text())["relevo"]
    print(f"{len(cases)} cases: {count(cases.values())}. Report: {REPORT / 'index.html'}")
    bad = {
        name: case
        for name, case in cases.items()
        if case["behavior"] not in GOOD or case["behaviorClose"] not in GOOD
    }
    for name, case in bad.items():
        print(f"{name}: {case['behavior']}, close {case['behaviorClose']}", file=sys.stderr)
    return 1 if bad or not cases else 0


def count(cases: Iterator[dict[str, str]]) -> str:
    """Return the verdicts with their numbers, the most frequent first."""
    counts = Counter(case["behavior"] for case in cases)
    return ", ".join(f"{number} {behavior}" for behavior, number in counts.most_common())


def main(cases: Sequence[str]) -> int:
    """Run the cases, all by default, and return the exit status."""
    python = find_python()
    index = REPORT / "index.json"
    REPORT.mkdir(parents=True, exist_ok=True)
    index.unlink(missing_ok=True)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        status = runner.run(run_suite(python, cases or ["*"]))
    if status != 0 or not index.exists():
        sys.exit(f"The suite did not finish:\n{(REPORT / 'log').read_text()[-2000:]}")
    return verdict()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
