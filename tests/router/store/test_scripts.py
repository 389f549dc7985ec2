import hashlib
from pathlib import Path

import pytest

from router.store.scripts import Scripts


def test_a_verb_has_the_library_in_front_and_the_digest_of_both(tmp_path: Path) -> None:
    (tmp_path / "library.lua").write_text("local one = 1")
    (tmp_path / "count.lua").write_text("return one")
    script = Scripts(tmp_path)["count"]
    assert script.source == b"local one = 1\nreturn one"
    assert script.sha1 == hashlib.sha1(script.source).hexdigest().encode()


def test_the_library_itself_is_no_verb(tmp_path: Path) -> None:
    (tmp_path / "library.lua").write_text("local one = 1")
    (tmp_path / "count.lua").write_text("return one")
    assert [script.verb for script in Scripts(tmp_path)] == ["count"]


def test_an_unknown_verb_is_a_key_error(tmp_path: Path) -> None:
    (tmp_path / "count.lua").write_text("return 1")
    with pytest.raises(KeyError):
        Scripts(tmp_path)["recount"]


def test_a_folder_without_verbs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no scripts in"):
        Scripts(tmp_path)
