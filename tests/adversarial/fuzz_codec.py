"""
Look for bytes that the codec does not answer as it promises, guided by coverage: ``make fuzz``.

Needs atheris, which has no wheel for every platform; ``python -m tests.adversarial.fuzz_codec --help`` shows
the options of the fuzzer behind it.
"""

import sys
import tempfile
from pathlib import Path

import msgspec

from relevo.protocol.codec import JSON, MSGPACK, Codec, InvalidMessage, UndecodableError, command_from_fields
from relevo.protocol.commands import COMMANDS, wire_type
from relevo.protocol.examples import COMMAND_EXAMPLES

CODECS = (JSON, MSGPACK)
TYPES = sorted(COMMANDS)
PATH_CHARACTERS_MAX = 250
MESSAGE_CHARACTERS_MAX = 100


def check(codec: Codec, data: bytes) -> None:
    """Fail unless bytes come out as items that are true, or as the one exception."""
    try:
        items = codec.decode(data)
    except UndecodableError:
        return
    assert len(items) <= 64
    for item in items:
        if isinstance(item, InvalidMessage):
            check_refusal(item)
        else:
            # A command says the same in both encodings, and again.
            for other in CODECS:
                assert other.decode(other.encode(item)) == [item]


def check_refusal(item: InvalidMessage) -> None:
    """Fail unless a refusal says where and what, in few words."""
    assert item.path.startswith("$")
    assert len(item.path) <= PATH_CHARACTERS_MAX
    assert 0 < len(item.message) <= MESSAGE_CHARACTERS_MAX
    assert item.id is None or 1 <= len(item.id) <= 64


def check_fields(data: bytes) -> None:
    """Do the same for a request's body, whose first bytes choose the command and the key."""
    command = TYPES[data[0] % len(TYPES)] if data else TYPES[0]
    key = data[1:3].decode("latin-1") if len(data) > 3 and data[1] % 2 else None
    item = command_from_fields(command, data[3:], key)
    if isinstance(item, InvalidMessage):
        check_refusal(item)
        assert item.id is None
    else:
        assert wire_type(item) == command


def one_input(data: bytes) -> None:
    """Throw one input at one of three ways in."""
    if data:
        way = data[0] % 3
        if way < len(CODECS):
            check(CODECS[way], data[1:])
        else:
            check_fields(data[1:])


def write_seeds(folder: Path) -> None:
    """Write an example of every command for the fuzzer to begin with."""
    for number, command in enumerate(COMMAND_EXAMPLES):
        for way, codec in enumerate(CODECS):
            (folder / f"{way}-{number}").write_bytes(bytes([way]) + codec.encode(command))
        fields = msgspec.to_builtins(command)
        body = {name: value for name, value in fields.items() if name not in ("type", "id")}
        choice = bytes([2, TYPES.index(wire_type(command)), 0, 0])
        (folder / f"2-{number}").write_bytes(choice + msgspec.json.encode(body))


def main(arguments: list[str]) -> None:
    """Run until a bound among the arguments, or until something is found."""
    try:
        import atheris  # type: ignore[import-untyped]
    except ImportError:
        sys.exit("atheris is not installed here: pip install '.[fuzz]', where it has a wheel")
    with tempfile.TemporaryDirectory() as folder:
        write_seeds(Path(folder))
        atheris.instrument_all()
        atheris.Setup([sys.argv[0], *arguments, folder], one_input)
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
