"""How results show themselves: one line for `repr`, a table for a notebook. Everything in the tables is escaped."""

from html import escape

from .names import AXES, LAYOUT, dimensions

_CELL = "text-align:left;vertical-align:top;padding:1px 12px 1px 0"


def table(title, rows, head=()):
    """An HTML table of rows of texts under a title; head: names of the columns, or none."""
    lines = ([_line(head, "th")] if head else []) + [_line(cells, "td") for cells in rows]
    return f"<div><strong>{escape(title)}</strong><table>{''.join(lines)}</table></div>"


def lines_table(text, *more):
    """An HTML table of lines: the first is the title, and each of `more` a line too."""
    title, *lines = text.splitlines()
    return table(title, [(line,) for line in (*lines, *more)])


def _line(cells, tag):
    texts = (escape(str(cell)).replace("\n", "<br>") for cell in cells)
    return "<tr>" + "".join(f'<{tag} style="{_CELL}">{text}</{tag}>' for text in texts) + "</tr>"


def arrays_table(title, arrays):
    """An HTML table of stored arrays by name, {name: array}: dimensions, shape, unit and meaning. Reads no array."""
    rows = [_described(name, shape) for name, shape in _shaped(arrays)]
    return table(title, rows, ("name", "dimensions", "shape", "unit", "meaning"))


def arrays_line(kind, arrays, where=""):
    """One line for `repr`: the number of times of stored arrays, and the names of what is stored over them."""
    shapes = dict(_shaped(arrays))
    names = [
        name
        for name in shapes
        if name in LAYOUT and dimensions(name)[0] in ("time", "spectrum_time") and name not in ("time", "spectrum_time")
    ]
    times = shapes.get("time", (0,))[0]
    return f"<{kind}: {times} time{'s' * (times != 1)} of {', '.join(names) or 'nothing'}{f' in {where}' if where else ''}>"


def _shaped(arrays):
    """(name, shape) of arrays; from the shapes alone where the arrays are in a file."""
    known = getattr(arrays, "shapes", None)
    return list(known.items()) if known is not None else [(name, tuple(arrays[name].shape)) for name in arrays]


def _described(name, shape):
    size = " x ".join(map(str, shape))
    if name not in LAYOUT:
        return name, "", size, "", ""
    _, unit, meaning = LAYOUT[name]
    fitting = (dims for space in AXES.values() if len(dims := dimensions(name, space)) == len(shape))
    return name, ", ".join(next(fitting, ())), size, unit or "1", meaning
