"""Files that outlive an end in the middle of writing them. Knows no ranks: who calls is who writes."""

import os


def write_whole(path, text):
    """Write a small text file in place of the one that is there; at any moment one of the two is there, whole."""
    new = path.with_name(f".{path.name}.new")
    new.write_text(text, encoding="utf-8")
    sync(new)  # else the new name might outlive a power cut, and the text might not
    new.replace(path)


def sync(path):
    """Have a file, or the names in a directory, written to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
