"""The README's programs: each is whole, and uses only what the package gives."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import relevo_client

README = Path(__file__).parents[2] / "clients" / "python" / "README.md"
PROGRAMS = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("program", PROGRAMS, ids=["ten-lines", "agent", "admin", "back-end"])
def test_a_program_of_the_readme_uses_only_what_there_is(program: str) -> None:
    tree = ast.parse(program)
    imported = {
        name.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "relevo_client"
        for name in node.names
    }

    assert imported
    assert imported <= set(relevo_client.__all__)
    assert ast.unparse(tree.body[-1]) == "asyncio.run(main())"


def test_the_readme_names_every_error_and_every_event() -> None:
    text = README.read_text(encoding="utf-8")
    errors = {name for name in relevo_client.__all__ if name.endswith("Error")}
    events = {event.__name__ for event in relevo_client.Event.__args__}

    assert {name for name in errors | events if name not in text} == set()
