"""Where a config comes from: a file, the name of a shipped case, or a dict; and what --set puts into it."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import InputError
from ..storage import config_text
from ..storage.config_text import DEEPEST
from ..storage.section import plain
from .sentences import closest

CASES_DIR = Path(__file__).parent.parent / "cases"
DEFAULT_CASE = "two_beam"


class Raw(NamedTuple):
    """A config as it was given."""

    values: dict
    label: str  # for messages
    name: str  # of the run, where the config gives none
    directory: Path  # that relative paths start from


def cases() -> dict[str, str]:
    """Names of the shipped cases with their titles, the paper's example first."""
    names = sorted(case_names(), key=lambda name: (name != DEFAULT_CASE, name))
    return {name: tomllib.loads(case_text(name)).get("title", "") for name in names}


def case_names() -> list[str]:
    return [path.stem for path in CASES_DIR.glob("*.toml")]


def case_text(name: str) -> str:
    """The file of a shipped case. InputError if there is no such case."""
    if name not in case_names():
        close = closest(name, case_names())
        hint = f"did you mean {close}?" if close else f"shipped cases are {', '.join(cases())}."
        raise InputError(f"{name} is not a shipped case: {hint}")
    return (CASES_DIR / f"{name}.toml").read_text(encoding="utf-8")


def load(source: Any) -> Raw:
    """A config from the path of a file, the name of a shipped case, or a mapping, which is copied."""
    if isinstance(source, Mapping):
        return Raw(plain(source), "config", "run", Path.cwd())
    text = str(source)
    path = Path(text)
    if text in case_names():
        if path.is_file():
            raise InputError(
                f"{text} is the name of a shipped case and of a file here: write ./{text} for the file, or give "
                "the file another name to run the case."
            )
        return Raw(tomllib.loads(case_text(text)), text, text, Path.cwd())
    try:
        content = config_text.read(path)
    except FileNotFoundError:
        close = closest(text, case_names())
        hint = f"did you mean the shipped case {close}" if close else f"shipped cases are {', '.join(cases())}"
        raise InputError(f"{path}: no such file; {hint}.") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from None
    values = parsed(content, f"{path} is not valid TOML")
    return Raw(values, path.name, config_text.name_of(path.stem), path.resolve().parent)


def parsed(text: str, complaint: str) -> dict:
    """TOML text as a dict; InputError, beginning with the complaint, if it is none, or nests deeper than any config."""
    config_text.check(text, complaint)
    try:
        raw = tomllib.loads(text)
    except RecursionError:
        raw = None
    except ValueError as error:  # TOMLDecodeError, and Python's own about integers of thousands of digits
        raise InputError(f"{complaint}: {str(error).split(';')[0]}.") from None
    if raw is None or _deeper(raw, DEEPEST):
        raise InputError(f"{complaint}: tables or lists are nested more than {DEEPEST} deep.")
    return raw


def _deeper(value: Any, levels: int) -> bool:
    """Whether a value nests more than so many levels of tables and lists."""
    if not isinstance(value, (dict, list)):
        return False
    items = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_deeper(item, levels - 1) for item in items)


def apply(override: str, raw: dict) -> None:
    """Write one "section.key=value" into a raw config; the value is checked with everything else."""
    name, equals, text = config_text.letters(override).partition("=")
    parts = name.strip().split(".")
    shown = override if len(override) <= 100 else f"{override[:100]}..."
    if not equals or not all(parts) or len(parts) > 2:
        raise InputError(f"--set {shown}: expected section.key=value, for example time.end=50.")
    config_text.check(text, f"--set {shown}")
    try:
        value = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        value = {"value": text.strip()}
    except (RecursionError, ValueError):
        value = parsed(f"value = {text}", f"--set {name.strip()}")
    if list(value) != ["value"]:  # lines after the first would go unheard
        raise InputError(f"--set {config_text.one_line(shown)}: expected one value, without further lines.")
    table = raw
    if len(parts) == 2:
        table = raw.setdefault(parts[0], {})
        if not isinstance(table, dict):
            raise InputError(f"--set {shown}: {parts[0]} is not a section.")
    table[parts[-1]] = value["value"]
