"""
Make `resources.py`, the methods without async, from `async_resources.py`.

    python clients/python/make_sync.py
"""

import re
from pathlib import Path

PACKAGE = Path(__file__).parent / "src/relevo_client"
REPLACEMENTS = (
    (r"`resources.py` is made from this file by", "Made from `async_resources.py` by"),
    (r"AsyncIterator, Iterable", "Iterable, Iterator"),
    (r"\bAsyncIterator\b", "Iterator"),
    (r"\bAsync(Commands|Sessions|Agents|Departments|Settings)\b", r"\1"),
    (r"\basync (def|for)\b", r"\1"),
    (r"\bawait ", ""),
)


def make_sync(source: str) -> str:
    """Return a module's source with functions in place of coroutines."""
    for pattern, replacement in REPLACEMENTS:
        source = re.sub(pattern, replacement, source)
    return source


if __name__ == "__main__":
    source = (PACKAGE / "async_resources.py").read_text(encoding="utf-8")
    (PACKAGE / "resources.py").write_text(make_sync(source), encoding="utf-8")
