"""
Read the settings: from flags, RELEVO_* variables, a settings file, and the files that hold secrets.

A flag goes before a variable, a variable before the settings file, the file before the default.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from relevo.router.config import PREFIX, SETTINGS, Setting, Settings, SettingsError, parse

CLIENT_VARIABLES: Final = frozenset({"RELEVO_TOKEN", "RELEVO_SERVICE_TOKEN"})
"""Read by `watch` and by programs with a client, which may share their environment with a router."""

FILE_SUFFIX: Final = "_file"

# What Kubernetes gives to the pods beside a Service whose name is, or begins with, relevo ("Service links").
_SERVICE_LINK: Final = re.compile(
    r"RELEVO_(?:[A-Z0-9_]+_)?"
    r"(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT_[0-9]+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)"
)
_SERVICE_LINK_URL: Final = re.compile(r"(?:tcp|udp|sctp)://")

_DEFAULT: Final = "default"


@dataclass(frozen=True, slots=True)
class Reading:
    """
    The settings, and where each of them comes from.

    Attributes:
        settings: The settings.
        sources: By the names of the settings: the flag, the variable, the settings file with the key, or
            ``default``.
    """

    settings: Settings
    sources: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class SettingsSources:
    """
    Where a process has its settings from, to read them again; may be given to another process.

    Attributes:
        flags: As `read_settings` takes them.
        file: The settings file; None without one.
    """

    flags: Mapping[str, str | None]
    file: Path | None

    def read(self) -> Reading:
        """Return the settings as they are now; raises what `read_settings` raises."""
        return read_settings(self.flags, os.environ, self.file)


@dataclass(frozen=True, slots=True)
class _Given:
    """
    A value that somewhere is given for a setting.

    Attributes:
        setting: The setting.
        shown: What to call it in an error, and in ``sources``.
        text: The value, as a flag has it.
        in_file: Whether the text is the path of the file that holds the secret.
    """

    setting: Setting
    shown: str
    text: str
    in_file: bool


_GIVEN_NAMES: Final = {setting.name: (setting, False) for setting in SETTINGS} | {
    setting.name + FILE_SUFFIX: (setting, True) for setting in SETTINGS if setting.secret
}
FLAG_NAMES: Final = tuple(_GIVEN_NAMES)
"""The names of all flags, as in ``node_lease_ms``: one per setting, and one per secret for its file."""


def read_settings(
    flags: Mapping[str, str | None], environ: Mapping[str, str], file: Path | None = None
) -> Reading:
    """
    Return the settings.

    Args:
        flags: Texts by ``FLAG_NAMES``; None for a flag not given.
        environ: The environment. Each variable that starts with ``RELEVO_`` must be known, here, to clients
            or to Kubernetes.
        file: The settings file: TOML, each key a flag without its hyphens.

    Raises:
        SettingsError: A setting is unknown, malformed, out of range, given twice in one place or at odds with
            another; or a file cannot be read.
    """
    values: dict[str, Any] = {}
    sources = {setting.name: _DEFAULT for setting in SETTINGS}
    for place in (_of_flags(flags), _of_variables(environ), _of_file(file)):
        # By name first: a malformed value counts only where no other goes before it.
        for name, given in _by_setting(place).items():
            if name not in values:
                values[name] = _value(given)
                sources[name] = given.shown
    return Reading(Settings(**values), sources)


def shown_settings(reading: Reading) -> str:
    """Return a line for each setting: its key, its value unless that is a secret, and its source."""
    rows = []
    for setting in SETTINGS:
        value = getattr(reading.settings, setting.name)
        if value is None or value == ():
            text = "(unset)"
        elif setting.secret:
            text = "(secret)"
        else:
            text = ",".join(value) if setting.listed else f"{value} {setting.unit}".rstrip()
        rows.append((setting.key, text, reading.sources[setting.name]))
    key_width, value_width = (max(len(row[column]) for row in rows) for column in (0, 1))
    return "".join(f"{key:{key_width}}  {value:{value_width}}  {source}\n" for key, value, source in rows)


def _of_flags(flags: Mapping[str, str | None]) -> Iterator[_Given]:
    for name, text in flags.items():
        if text is not None:
            setting, in_file = _GIVEN_NAMES[name]
            yield _Given(setting, "--" + name.replace("_", "-"), text, in_file)


def _of_variables(environ: Mapping[str, str]) -> Iterator[_Given]:
    for variable, text in sorted(environ.items()):
        if not variable.startswith(PREFIX) or variable in CLIENT_VARIABLES:
            continue
        name = variable.removeprefix(PREFIX).lower()
        if name not in _GIVEN_NAMES or name.upper() != variable.removeprefix(PREFIX):
            if _SERVICE_LINK.fullmatch(variable):
                continue
            close = difflib.get_close_matches(name, _GIVEN_NAMES, 1)
            suggestion = f"; did you mean {PREFIX}{close[0].upper()}?" if close else ""
            raise SettingsError(f"unknown setting {variable}{suggestion}")
        if name.endswith("port") and _SERVICE_LINK_URL.match(text):
            continue
        setting, in_file = _GIVEN_NAMES[name]
        # An empty path is the same as none, too.
        if text or not in_file:
            yield _Given(setting, variable, text, in_file)


def _of_file(file: Path | None) -> Iterator[_Given]:
    if file is None:
        return
    try:
        document = tomllib.loads(_read(file, "the settings file"))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{file} is not TOML: {error}") from None
    names = {name.replace("_", "-"): name for name in _GIVEN_NAMES}
    for key, value in document.items():
        if key not in names:
            close = difflib.get_close_matches(key.replace("_", "-"), names, 1)
            suggestion = f"; did you mean {close[0]}?" if close else ""
            raise SettingsError(f"{file}: unknown setting {key}{suggestion}")
        setting, in_file = _GIVEN_NAMES[names[key]]
        shown = f"{file}: {key}"
        yield _Given(setting, shown, _text(setting, value, shown), in_file)


def _by_setting(place: Iterator[_Given]) -> dict[str, _Given]:
    found: dict[str, _Given] = {}
    for given in place:
        other = found.setdefault(given.setting.name, given)
        if other is not given:
            raise SettingsError(f"set only one of {other.shown} and {given.shown}")
    return found


def _value(given: _Given) -> Any:
    text = given.text
    if given.in_file:
        # Editors and `echo` end a file with a line feed, which belongs to no secret.
        text = _read(Path(text), f"the file of {given.shown}").removesuffix("\n").removesuffix("\r")
        if not text:
            raise SettingsError(f"the file of {given.shown} is empty")
    return parse(given.setting, text, given.shown)


def _text(setting: Setting, value: Any, shown: str) -> str:
    """Return what TOML has made of a value as the text that a flag would have."""
    # A boolean is a number to Python, but not to TOML.
    if setting.minimum is not None and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if setting.listed and isinstance(value, list) and all(isinstance(part, str) for part in value):
        return ",".join(value)
    if setting.minimum is None and not setting.listed and isinstance(value, str):
        return value
    # Without the value: it may be a secret.
    kind = "number" if setting.minimum is not None else "list of texts" if setting.listed else "text"
    raise SettingsError(f"{shown} must be a {kind}")


def _read(file: Path, shown: str) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{shown} cannot be read: {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{shown} is not UTF-8: {file}") from None
