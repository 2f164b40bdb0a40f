"""The text of a config before it is parsed: from where it may come, how long and how deep it may be, and paths in it.

A config may come from somebody else: nothing in it takes more than a moment or reads what is no plain file.
"""

import os
import re
import urllib.parse

from ..errors import InputError
from ..runtime.text import one_line

LONGEST = 2**20  # bytes of a config
DEEPEST = 20  # levels of tables and lists, and parts of a key; a config needs four
LONGEST_NAME = 200  # bytes; directories take 255, and a number may be added
LONGEST_SENTENCE, MOST_SENTENCES = 1000, 50
# What TOML is made of, so far as dotted keys are to be told from all else. Closing quotes may have two more of them in front.
_TOKEN = re.compile(
    r"""
    (?P<part> [\w-]++ | "{3}(?:[^"\\]|\\.|"(?!""))*+"{3,5} | ""(?!") | "(?!")(?:[^"\\\n]|\\.)++"
            | \'{3}(?:[^\']|\'(?!\'\'))*+\'{3,5} | \'\'(?!\') | \'(?!\')[^\'\n]++\' )
    | (?P<dot>\.) | (?P<blank>[ \t]++) | (?P<other>\#[^\n]*+ | [^"\'])""",
    re.DOTALL | re.VERBOSE,
)
_URI = "file:"


def read(path):
    """The text of a config file. InputError if it is no plain file, too long, or no UTF-8; FileNotFoundError if there is none."""
    if not os.path.lexists(path):
        raise FileNotFoundError(path)
    from .file_kind import describe

    problem = describe(path)
    if problem:
        raise InputError(f"{path} {problem}.")
    with open(path, "rb") as file:
        content = file.read(LONGEST + 1)
    if len(content) > LONGEST:
        raise InputError(f"{path} is longer than {LONGEST} bytes, which no config is.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path} is not a TOML file: it is not UTF-8 text.") from None


def check(text, complaint):
    """InputError, beginning with the complaint, for a text that a parser would be busy with for long."""
    if len(text) > LONGEST:
        raise InputError(f"{complaint}: it is longer than {LONGEST} characters.")
    at = dots = 0
    while token := _TOKEN.match(text, at):  # none where a string does not end: no parser goes on beyond that
        at = token.end()
        if token["dot"]:
            dots += 1
            if dots > DEEPEST:
                raise InputError(f"{complaint}: tables or lists are nested more than {DEEPEST} deep.")
        elif token["other"]:
            dots = 0


def told(problems, label):
    """Problems as the lines of one message, each of a length that one reads."""
    lines = [problem if len(problem) <= LONGEST_SENTENCE else f"{problem[:LONGEST_SENTENCE]} ..." for problem in problems]
    more = len(lines) - MOST_SENTENCES
    lines[MOST_SENTENCES:] = [f"and {more} more."] * (more > 0)
    return "\n".join(f"{label}: {line}" for line in lines)


def name_of(stem):
    """The name of a run from that of its file: what a directory may be called, whatever the file was."""
    fit = "".join(letter if letter.isprintable() and letter != "/" else "_" for letter in stem)
    return fit.encode()[:LONGEST_NAME].decode(errors="ignore").strip() or "run"


def letters(argument):
    """An argument in letters: in a locale of ASCII alone Python keeps its UTF-8 as single bytes. Left as it is if it is none."""
    try:
        return argument.encode("utf-8", "surrogateescape").decode("utf-8")
    except UnicodeError:
        return argument


def portable_path(path):
    """A path as it can stand in a config, which is UTF-8: one with other bytes as file:... with %XX for each of them."""
    try:
        path.encode("utf-8")
        return path
    except UnicodeEncodeError:
        return _URI + urllib.parse.quote(path.encode("utf-8", "surrogateescape"))


def system_path(path):
    """The other way: a path of a config, as the system is to be asked for it."""
    if path.startswith(_URI):
        path = urllib.parse.unquote_to_bytes(path.removeprefix(_URI).removeprefix("//")).decode("utf-8", "surrogateescape")
    return os.fsdecode(path.encode("utf-8", "surrogateescape"))


def in_words(path):
    """A path of a config for messages."""
    return one_line(system_path(path))
