"""The documents: what they refer to exists."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from relevo.router.settings_sources import FLAG_NAMES

ROOT = Path(__file__).parents[1]
FOLDERS = (
    "",
    "docs",
    "examples",
    "protocol/vectors",
    "clients/python",
    "clients/js",
    "clients/console",
    "clients/dialog",
)
DOCUMENTS = sorted(path for folder in FOLDERS for path in (ROOT / folder).glob("*.md"))
TEXTS = {path: path.read_text(encoding="utf-8") for path in DOCUMENTS}
documents = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


@documents
def test_document_links_to_files_that_exist(path: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", TEXTS[path])
    assert [link for link in links if not (path.parent / link).exists()] == []


@documents
def test_document_names_modules_that_exist(path: Path) -> None:
    modules = re.findall(r"python -m ((?:bench|tests|relevo)[\w.]*)", TEXTS[path])
    assert [module for module in modules if find_spec(module) is None] == []


@documents
def test_document_names_make_targets_that_exist(path: Path) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    named = re.findall(r"(?:`|^    )make ([a-z-]+)", TEXTS[path], re.MULTILINE)
    assert set(named) - set(targets) == set()


@documents
def test_document_names_folders_and_files_that_exist(path: Path) -> None:
    tops = "router|protocol|clients|bench|tests|examples|docs|gateway|tenant|store|transport"
    named = re.findall(rf"`((?:{tops})/[\w/.-]+)`", TEXTS[path])
    assert [name for name in named if not ((ROOT / name).exists() or (ROOT / "router" / name).exists())] == []


@pytest.mark.parametrize("name", ["README.md", "SECURITY.md", "ARCHITECTURE.md", "docs/RELIABILITY.md"])
def test_document_names_settings_that_exist(name: str) -> None:
    known = {f"RELEVO_{name.upper()}" for name in FLAG_NAMES} | {"RELEVO_TOKEN", "RELEVO_SERVICE_TOKEN"}
    assert set(re.findall(r"RELEVO_[A-Z_]*[A-Z]", TEXTS[ROOT / name])) - known == set()
