"""Text that came from outside, such as paths and titles, made fit for terminals, files and attributes."""

import re
import shlex

# Control characters but for line ends and tabs, line separators, overrides of the writing direction, halves of pairs.
_UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_LINE_ENDS = re.compile("[\t\n]")


def visible(text):
    """Text in which control characters, and bytes that were no UTF-8, stand as escapes; line ends and tabs stay."""
    return _UNFIT.sub(_escaped, text)


def one_line(text):
    """The same with line ends and tabs as escapes as well."""
    return _LINE_ENDS.sub(_escaped, visible(text))


def storable(text):
    """Text that HDF5 attributes and UTF-8 files take: bytes that were no UTF-8, and NUL, stand as escapes.

    In a locale of ASCII alone Python keeps every byte of a name that is none as half of a pair; together they may be UTF-8.
    """
    try:
        content = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # halves of pairs that stand for no byte
        content = text.encode("utf-8", "backslashreplace")
    return content.decode("utf-8", "backslashreplace").replace("\0", "\\x00")


def shell_word(word):
    """A word as one types it into bash, with bytes that are no text as escapes."""
    if visible(word) == word and "\n" not in word:
        return shlex.quote(word)
    return "$'" + one_line(word.replace("\\", "\\\\").replace("'", "\\'")) + "'"


def _escaped(match):
    character = match[0]
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # how Python keeps a byte of a file name that is no UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(character, f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")
