"""Text from outside, made fit for terminals, files and shells."""

import subprocess

import pytest

from nuflux_mpi.runtime.text import one_line, shell_word, storable, visible


@pytest.mark.parametrize(
    "text, shown",
    [
        ("plain \u00e9 \u03c8", "plain \u00e9 \u03c8"),
        ("bell\x07", "bell\\x07"),
        ("\x1b[31m", "\\x1b[31m"),
        ("l\udce4ufe", "l\\xe4ufe"),
        ("a\u202eb", "a\\u202eb"),
        ("two\nlines\t", "two\nlines\t"),
        ("\r", "\\r"),
        ("\x9b", "\\x9b"),
        ("\ud800", "\\ud800"),
    ],
)
def test_visible(text, shown):
    assert visible(text) == shown
    assert one_line(text) == shown.replace("\n", "\\n").replace("\t", "\\t")


def test_storable():
    assert (
        storable("l\udce4ufe") == "l\\xe4ufe"
        and storable("\udcc3\udca4") == "\u00e4"
        and storable("a\0b\ud800") == "a\\x00b\\ud800"
    )


@pytest.mark.parametrize("word", ["plain", "two words", "l\udce4ufe", "a\nb", "it's \x07 \\ 'x'", "$HOME \x01"])
def test_words_for_the_shell(word):
    done = subprocess.run(["bash", "-c", f"printf %s {shell_word(word)}"], capture_output=True, check=True)
    assert done.stdout == word.encode("utf-8", "surrogateescape")
