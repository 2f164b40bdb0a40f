"""Configs as TOML text, and values as they stand in it. What a run writes: no package is needed for it."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any


def toml_value(value: Any) -> str:
    """One value as TOML; tables inside lists become inline tables."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # JSON strings are TOML strings but for the one control character that JSON leaves alone.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    if isinstance(value, Mapping):
        items = (f"{_toml_key(name)} = {toml_value(item)}" for name, item in value.items() if item is not None)
        return "{" + ", ".join(items) + "}"
    if isinstance(value, int) and value.bit_length() > 10_000:  # Python prints none of more than 4300 digits
        return "an integer of thousands of digits"
    return str(value)  # int, float (repr digits), nan, inf, dates


def to_toml(config: Mapping) -> str:
    """A nested mapping as TOML text. None is left out: in a config it means "not given"."""
    return "\n".join(_lines(config, "")).strip() + "\n"


def _lines(table: Mapping, path: str) -> Iterator[str]:
    for name, value in table.items():
        if value is not None and not _is_table(value):
            yield f"{_toml_key(name)} = {toml_value(value)}"
    for name, value in table.items():
        if _is_table(value):
            inner = f"{path}.{_toml_key(name)}" if path else _toml_key(name)
            for item in value if isinstance(value, list) else [value]:
                yield ""
                yield f"[[{inner}]]" if isinstance(value, list) else f"[{inner}]"
                yield from _lines(item, inner)


def _is_table(value: Any) -> bool:
    """Whether a value gets a header of its own: a table, or a list of nothing but tables."""
    if isinstance(value, list):
        return bool(value) and all(isinstance(item, Mapping) for item in value)
    return isinstance(value, Mapping)


def _toml_key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else toml_value(name)


def flat(table: Mapping, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Pairs ("section.key", value) of a nested mapping."""
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value
