"""One look at a dataset of a user's HDF5 file, from a process that a damaged file may end: see `start_file`.

    python -m nuflux_mpi.storage.start_probe PATH REQUEST

REQUEST is JSON {"wanted": [[name, shapes], ...], or null for the names of all, "values"}; the answer is what `look` or `names` has
found, or {"problem": the end of a sentence, "dataset": the name of the one it is about, or null for the file}. What HDF5 and netCDF
allow in place of a plain array of numbers is either read as it is meant or refused: links within the file are followed, others
and everything that keeps its numbers elsewhere are not.
"""

import hashlib
import itertools
import json
import math
import sys

import numpy as np

from . import file_kind
from .section import LARGEST, SMALLEST

PIECE = 2**21  # numbers that are looked at together
MOST_NAMES = 1000  # of datasets that are listed
MOST_HOPS = 16  # soft links on the way to one dataset
# Filters that every HDF5 and h5py bring along; any other would be code loaded because a file asks for it.
_FILTERS = {1: "deflate", 2: "shuffle", 3: "fletcher32", 4: "szip", 5: "nbit", 6: "scaleoffset", 32000: "lzf"}
_PACKING = ("scale_factor", "add_offset")
_LIMITS = ("valid_min", "valid_max", "valid_range")
_MARKS = ("_FillValue", "missing_value")


class Unusable(Exception):
    """What is wrong with a dataset, or with the file, as the end of a sentence that begins with its name."""

    def __init__(self, text, dataset=True):
        super().__init__(text)
        self.dataset = dataset
        self.name: str | None = None  # of the dataset


def look(path, wanted, values=True):
    """What is found of datasets in a file, as a dict that JSON can carry; Unusable, with `name` where it is about a dataset.

    wanted: pairs of a name and the shapes that will do, None for any. values: whether to go through the numbers and take the
    checksum of the file, or the largest size of a number. -> {"sha256": of the whole file, or "", "datasets": {name: dict}} with, for each,

        where       name of the dataset behind all links
        shape       its shape
        scale, offset   by which stored numbers are to be unpacked; None where they are not packed
    """
    _check_beginning(path, wanted[0][0])
    with _opened(path) as file:
        datasets = {name: _look_at(file, name, shapes, values) for name, shapes in wanted}
    return {"datasets": datasets, "sha256": _sha256(path) if values else ""}


def _look_at(file, name, shapes, values):
    try:
        where = _resolved(file, name)
        dataset = _dataset(file, where)
        _check_storage(dataset)
        shape = _shape(dataset, shapes)
        raw = _attributes(dataset)
        if values:
            _check_complete(dataset, shape)
            _check_values(dataset, shape, raw, LARGEST if values is True else values)
        return {"where": where, "shape": shape, "scale": raw.get("scale_factor"), "offset": raw.get("add_offset")}
    except Unusable as error:
        error.name = name if error.dataset else None
        raise


def unpack(array, scale, offset):
    """Stored numbers as they are meant, in place (netCDF's scale_factor and add_offset)."""
    if scale is not None:
        array *= scale
    if offset is not None:
        array += offset


# ---- the file -------------------------------------------------------------------------------------------------------


def _check_beginning(path, name):
    if problem := file_kind.other_than_hdf5(path, name):
        raise Unusable(problem, dataset=False)


def _opened(path):
    import h5py

    try:
        try:
            return h5py.File(path, "r", locking="best-effort")
        except (ValueError, TypeError):  # an HDF5 that does not know it
            return h5py.File(path, "r", locking=False)
    except OSError as error:
        told = str(error)
        if "unable to lock" in told or "already open for write" in told:
            raise Unusable("is being written by a program, or was not closed by the one that wrote it", dataset=False) from None
        if "truncated" in told:
            raise Unusable(
                "is cut off, shorter than its header says: it is damaged or just being written", dataset=False
            ) from None
        raise Unusable(f"is damaged: HDF5 cannot open it ({_reason(error)})", dataset=False) from None


def _sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(2**22):
            digest.update(block)
    return digest.hexdigest()


def _reason(error):
    return str(error).splitlines()[0] if str(error) else type(error).__name__


# ---- links ----------------------------------------------------------------------------------------------------------


def _resolved(file, name):
    """Absolute name of what `name` stands for, every part of it a hard link."""
    import h5py

    at, left, hops = [], [name], 0
    while left:
        part = left.pop(0)
        if part in ("", "."):
            continue
        encoded = part.encode("utf-8", "surrogateescape")
        try:
            group = h5py.h5g.open(file.id, _path(at))
        except (KeyError, ValueError, TypeError):  # it is no group
            group = None
        if group is None or not group.links.exists(encoded):
            raise Unusable(_absent(file, name, hops), dataset=False)
        kind = group.links.get_info(encoded).type
        if kind == h5py.h5l.TYPE_HARD:
            at.append(part)
        elif kind == h5py.h5l.TYPE_SOFT:
            hops += 1
            if hops > MOST_HOPS:
                raise Unusable("is a link that leads round in a circle")
            target = group.links.get_val(encoded).decode("utf-8", "surrogateescape")
            at = [] if target.startswith("/") else at
            left = target.split("/") + left
        else:
            raise Unusable("is a link into another file, which is not followed: copy the dataset itself into this file")
    return "/" + "/".join(at)


def _path(parts):
    return ("/" + "/".join(parts)).encode("utf-8", "surrogateescape")


def _absent(file, name, hops):
    if hops:
        return f"holds no dataset {name}: the link of this name leads nowhere"
    names = [key for key in itertools.islice(file, 20)]
    return f"holds no dataset {name} (it holds: {', '.join(names) or 'nothing'})"


# ---- the dataset ----------------------------------------------------------------------------------------------------


def _dataset(file, where):
    import h5py

    thing = h5py.h5o.open(file.id, where.encode("utf-8", "surrogateescape"))
    if isinstance(thing, h5py.h5g.GroupID):
        raise Unusable("is a group, not a dataset")
    if not isinstance(thing, h5py.h5d.DatasetID):
        raise Unusable("is a named type, not a dataset")
    kind = thing.get_type().get_class()
    if kind not in (h5py.h5t.INTEGER, h5py.h5t.FLOAT):
        raise Unusable(f"holds {_kind(thing, kind)}, not real numbers")
    return thing


def _kind(dataset, kind):
    import h5py

    try:
        dtype = dataset.dtype
        if dtype.kind in "cb":
            return {"c": "complex numbers", "b": "true and false"}[dtype.kind]
    except TypeError:
        pass
    named = {
        h5py.h5t.STRING: "strings",
        h5py.h5t.COMPOUND: "compound records",
        h5py.h5t.ENUM: "names from a list (an enum)",
        h5py.h5t.REFERENCE: "references",
        h5py.h5t.VLEN: "lists of various lengths",
        h5py.h5t.ARRAY: "arrays in each entry",
        h5py.h5t.BITFIELD: "bit fields",
        h5py.h5t.OPAQUE: "opaque bytes",
        h5py.h5t.TIME: "times",
    }
    return named.get(kind, "something else")


def _check_storage(dataset):
    """Whether all of it lies in this file, in a form that needs no code from elsewhere."""
    import h5py

    properties = dataset.get_create_plist()
    layout = properties.get_layout()
    if layout == h5py.h5d.VIRTUAL:
        raise Unusable("is a virtual dataset, whose numbers lie elsewhere: copy the numbers themselves into this file")
    if layout == h5py.h5d.CONTIGUOUS and properties.get_external_count():
        raise Unusable("keeps its numbers in another file (external storage), which is not read: copy them into this file")
    for i in range(properties.get_nfilters()) if layout == h5py.h5d.CHUNKED else ():
        code, _, _, named = properties.get_filter(i)
        if code not in _FILTERS or not h5py.h5z.filter_avail(code):
            named = _FILTERS.get(code) or named.decode("utf-8", "replace").split("\0")[0] or "unnamed"
            raise Unusable(
                f"is stored through the filter {code} ({named}), which is not to be had here: rewrite it with gzip "
                "or without compression, for example with h5repack -f GZIP=4 OLD NEW"
            )


def _shape(dataset, shapes):
    import h5py

    space = dataset.get_space()
    if space.get_simple_extent_type() == h5py.h5s.NULL:
        raise Unusable("is empty: it has no shape and no numbers")
    shape, wanted = dataset.shape, [tuple(each) for each in shapes or ()]
    if shapes is not None and shape not in wanted:
        has = f"is a single number, of shape {shape}" if shape == () else f"has the shape {shape}"
        raise Unusable(f"{has}, and the config asks for {' or '.join(map(str, wanted))}{_hint(shape, wanted)}")
    if 0 in shape:
        raise Unusable(f"is empty: it has the shape {shape}")
    return shape


_FLAVORS = {3: 2, 8: 3}  # number of flavors of vectors with so many components


def _hint(shape, wanted):
    """What was probably meant, where the shape tells."""
    for each in wanted:
        if len(shape) == len(each) and sorted(shape) == sorted(each):
            orders = [order for order in itertools.permutations(range(len(each))) if tuple(shape[i] for i in order) == each]
            if len(orders) == 1:
                return f"; its axes stand in another order: did you mean np.transpose(array, {orders[0]})?"
            return "; its axes stand in another order"
        if (
            len(shape) == len(each) > 2
            and {shape[1], each[1]} == set(_FLAVORS)
            and (shape[0], *shape[2:]) == (each[0], *each[2:])
        ):
            return f"; {shape[1]} components are those of flavor.number = {_FLAVORS[shape[1]]}"
        if len(shape) == len(each) + 1 and shape[1:] == each:
            return "; it has one axis too many in front: did you mean one time of it, array[-1]?"
        if tuple(n for n in shape if n != 1) == tuple(n for n in each if n != 1):
            return f"; did you mean array.reshape{each}?"
    return ""


def _attributes(dataset):
    """Numbers of the attributes by which netCDF changes what stored numbers mean: floats, or lists of them. Unusable."""
    import h5py

    found = {}
    for name in (*_PACKING, *_LIMITS, *_MARKS, "_Unsigned"):
        if not h5py.h5a.exists(dataset, name.encode()):
            continue
        if name == "_Unsigned":
            raise Unusable("has the attribute _Unsigned, which is not understood: write its numbers as they are meant")
        attribute = h5py.h5a.open(dataset, name.encode())
        if attribute.get_type().get_class() not in (h5py.h5t.INTEGER, h5py.h5t.FLOAT) or len(attribute.shape or ()) > 1:
            raise Unusable(f"has an attribute {name} that is no number")
        values = np.empty(0 if attribute.shape is None else attribute.shape)
        if values.size:
            attribute.read(values)
        values = np.ravel(values).tolist()
        several = {"valid_range": 2, "missing_value": None}.get(name, 1)
        if not values or (several and len(values) != several):
            raise Unusable(f"has an attribute {name} of {len(values)} numbers")
        if name not in _MARKS and not all(map(math.isfinite, values)):
            raise Unusable(f"has an attribute {name} that is not finite")
        if name == "scale_factor" and not values[0]:
            raise Unusable("has a scale_factor of 0, which makes the same of all its numbers")
        found[name] = values[0] if name in _PACKING or name in ("valid_min", "valid_max") else values
    return found


def _check_complete(dataset, shape):
    """Unusable where a piece was never written: HDF5 would make zeros, or a fill value, of it."""
    import h5py

    properties = dataset.get_create_plist()
    layout = properties.get_layout()
    if layout == h5py.h5d.CHUNKED:
        chunk = properties.get_chunk()
        wanted, found = math.prod(-(-n // c) for n, c in zip(shape, chunk)), dataset.get_num_chunks()
        if found < wanted:
            raise Unusable(f"is not complete: {wanted - found} of its {wanted} pieces (chunks) were never written")
    elif layout == h5py.h5d.CONTIGUOUS and not dataset.get_storage_size():
        raise Unusable("was made and never written")


def _missing_marks(dataset, raw):
    """Stored numbers that stand for "missing": those of the attributes, and a fill value other than 0."""
    import h5py

    marks = [(value, name) for name in _MARKS for value in raw.get(name, ())]
    properties = dataset.get_create_plist()
    if properties.fill_value_defined() == h5py.h5d.FILL_VALUE_USER_DEFINED:
        fill = np.zeros(())
        properties.get_fill_value(fill)
        if fill:
            marks.append((float(fill), "the fill value"))
    return [(stored, name) for mark, name in marks for stored in {mark, _as_stored(dataset, mark)}]


def _as_stored(dataset, value):
    """What is left of a number that is stored in a dataset with fewer digits than an attribute may have; float."""
    try:
        short = dataset.dtype.kind == "f" and dataset.dtype.itemsize < 8
    except TypeError:  # a float that NumPy does not know
        return value
    with np.errstate(over="ignore"):
        return float(np.asarray(value).astype(dataset.dtype)) if short else value


def _check_values(dataset, shape, raw, most):
    """Unusable for the first number that is missing, not finite or larger than `most`."""
    import h5py

    marks, largest = _missing_marks(dataset, raw), 0.0
    low = max([raw.get("valid_min", -math.inf), raw.get("valid_range", [-math.inf])[0]])
    high = min([raw.get("valid_max", math.inf), raw.get("valid_range", [math.inf])[-1]])
    low, high = min(low, _as_stored(dataset, low)), max(high, _as_stored(dataset, high))
    space, block = dataset.get_space(), _block(dataset, shape)
    for first in itertools.product(*(range(0, n, b) for n, b in zip(shape, block))):
        part = tuple(min(b, n - start) for b, n, start in zip(block, shape, first))
        values = np.empty(part)
        if shape:
            space.select_hyperslab(first, part)
        try:
            dataset.read(h5py.h5s.create_simple(part) if shape else space, space, values)
        except (OSError, RuntimeError, ValueError) as error:
            raise Unusable(f"is damaged: HDF5 cannot read it ({_reason(error)})") from None
        for mark, named in marks:
            _refuse(values == mark, values, first, f"which stands for a missing number ({named})")
        _refuse((values < low) | (values > high), values, first, f"outside its valid range {low:g} to {high:g}")
        unpack(values, raw.get("scale_factor"), raw.get("add_offset"))
        _refuse(~np.isfinite(values), values, first, "which is not finite")
        size = np.abs(values)
        _refuse(size > most, values, first, f"and numbers up to {most:g} in size are allowed")
        largest = max(largest, float(size.max()))
    # Tails of distributions may be as small as they like; a state as a whole may not.
    if 0 < largest < SMALLEST:
        raise Unusable(f"holds no number beyond {largest:.3g} in size: its largest must be at least {SMALLEST:g}, or all be 0")


def _refuse(wrong, values, first, why):
    if wrong.any():
        at = np.argwhere(wrong)[0]
        index = ", ".join(str(int(i + start)) for i, start in zip(at, first))
        raise Unusable(f"holds {values[tuple(at)]:g} at [{index}], {why}")


def _block(dataset, shape):
    """Shape of the parts to go through: whole chunks, as many of them as stay below PIECE."""
    import h5py

    properties = dataset.get_create_plist()
    chunked = properties.get_layout() == h5py.h5d.CHUNKED
    block = [min(n, c) for n, c in zip(shape, properties.get_chunk())] if chunked else [1] * len(shape)
    for axis in reversed(range(len(shape))):
        times = max(1, PIECE // math.prod(block))
        block[axis] = min(shape[axis], block[axis] * times)
    return block


def names(path):
    """{name: its attribute units, or ""} of the datasets at the root of a file; what is a link or a group is left out."""
    _check_beginning(path, "NAME")
    found = {}
    with _opened(path) as file:
        for name in itertools.islice(file, MOST_NAMES):
            if type(file.get(name, getlink=True)).__name__ == "HardLink" and hasattr(file[name], "shape"):
                units = file[name].attrs.get("units", "")
                found[name] = units.decode("utf-8", "replace") if isinstance(units, bytes) else str(units)
    return {"names": found}


def answer_for(path, request):
    """The answer to a request as a dict, whatever happens."""
    try:
        if request["wanted"] is None:
            return names(path)
        return look(path, request["wanted"], request["values"])
    except Unusable as error:
        return {"problem": str(error), "dataset": getattr(error, "name", None)}
    except MemoryError:
        return {"problem": "needs more memory to be read than there is", "dataset": None}
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:  # what h5py makes of damage
        return {"problem": f"is damaged: HDF5 cannot read it ({_reason(error)})", "dataset": None}


if __name__ == "__main__":
    from nuflux_mpi.runtime import child

    child.begin()
    child.answer(answer_for(sys.argv[1], json.loads(sys.argv[2])))
