"""The limit of open files, and what connections get of it."""

import resource
import subprocess
import sys

import pytest

from relevo.router.open_files import RESERVED_FILES, Shares, count_open, shares


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (1_000_000, Shares(50_000, 20_000)),
        (70_000 + RESERVED_FILES + 20, Shares(50_000, 20_000)),
        (65_536, Shares(49_113, 16_371)),
        (256, Shares(153, 51)),
        (20, Shares(1, 1)),
    ],
)
def test_shares_leave_room_for_http_where_files_are_short(limit: int, expected: Shares) -> None:
    assert shares(limit, 20, 50_000, 20_000) == expected


def test_raise_limit_takes_what_the_hard_limit_gives() -> None:
    code = (
        "import resource; from relevo.router.open_files import raise_limit\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (100, 300))\n"
        "print(raise_limit(), resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["300", "300"]


def test_count_open_is_below_the_limit() -> None:
    assert 3 <= count_open() < resource.getrlimit(resource.RLIMIT_NOFILE)[0]
