from pathlib import Path

import pytest

from relevo.router.store.lua.library import SHARED, Scripts
from tests.servers import StoreServer, running


def write(folder: Path, **sources: str) -> Path:
    for name, source in sources.items():
        place = folder / ("lib" if f"{name}.lua" in SHARED else "commands")
        place.mkdir(exist_ok=True)
        (place / f"{name}.lua").write_text(source)
    return folder


def test_all_commands_are_one_library_with_the_shared_files_in_front(tmp_path: Path) -> None:
    scripts = Scripts(write(tmp_path, commit="second", a_command="third", step="first"))
    heading, constant, defaults, *rest = scripts.source.decode().splitlines()
    assert heading == f"#!lua name={scripts.name}"
    assert scripts.name in constant
    assert "answer_ms = 0, " in defaults
    assert rest[:2] == ["first", "second"]
    assert rest[3] == "third"


def test_a_function_is_named_after_its_library_and_its_command(tmp_path: Path) -> None:
    scripts = Scripts(write(tmp_path, step="", count="return 1"))
    assert scripts.commands == ("count",)
    assert scripts.function("count") == f"{scripts.name}_count".encode()


def test_another_text_is_another_library(tmp_path: Path) -> None:
    before = Scripts(write(tmp_path, count="return 1")).name
    assert Scripts(tmp_path).name == before
    assert Scripts(write(tmp_path, count="return 2")).name != before


def test_an_unknown_command_is_a_key_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        Scripts(write(tmp_path, count="return 1")).function("recount")


def test_a_folder_without_commands_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no scripts in"):
        Scripts(write(tmp_path, step="", commit=""))


def test_each_command_may_have_as_many_names_as_the_server_takes(tmp_path: Path) -> None:
    names = "\n".join(f"local name_{number}" for number in range(150))
    register = "redis.register_function(LIBRARY, function() end)"
    scripts = Scripts(write(tmp_path, step=names, one=names, two=f"{names}\n{register}"))
    with running(StoreServer(tmp_path)) as server:
        assert server.call("FUNCTION", "LOAD", scripts.source)
