"""fields.xmf: what ParaView and VisIt read to show the fields of a run in two or three dimensions.

It is a small text that says where in fields.h5 the snapshots are; the numbers stay there. XDMF lets the last axis of an
array run along X, whereas here z is the last one. So that X, Y and Z of the viewer are x, y and z, the positions of the
points are given one by one, in fields.grid.h5, which compresses to next to nothing. `uniform` does without them, by origin
and spacing alone; the viewer's X is then z, and its Z is x.
"""

from __future__ import annotations

import numpy as np

from ..errors import InputError
from ..storage.atomic import aside, write_whole
from . import figure_modes
from .file_names import XDMF_FILES
from .names import algebra_of, space_of

FILE, GRID = XDMF_FILES
MOST_MODES = 16  # that are listed where none are asked for: a viewer reads all that is listed
MOST_IN_DENSITY = 8  # modes of a run whose energy density is listed: it is made of all of them, up to ten


def write(run, modes=None, uniform=False):
    """Writes fields.xmf, and unless `uniform` fields.grid.h5, into the directory of a run. Returns their paths.

    All complete snapshots are listed, also of a run that goes on. modes: indices, default all or MOST_MODES of them. InputError
    in one dimension, without snapshots, and where the directory cannot be written.
    """
    space = space_of(run.series)
    if len(space) == 1:
        raise InputError("xdmf: viewers show boxes of two and three dimensions; this one has one, see plot.")
    if not len(run.fields["time"]):
        raise InputError("xdmf: the run has written no fields yet.")
    shown = figure_modes.chosen(run, MOST_MODES, modes)
    paths = [run.directory / FILE]
    try:
        if not uniform:
            paths.append(_write_grid(run, space))
        write_whole(paths[0], _document(run, space, shown, uniform))
    except OSError as error:
        raise InputError(f"xdmf: {error.filename or run.directory} cannot be written ({error.strerror or error}).") from None
    return paths


def described(run, modes=None):
    """Lines that say which mode is behind the numbers in the names of the arrays."""
    shown = figure_modes.chosen(run, MOST_MODES, modes)
    lines = [f"  P_{mode}, kappa_{mode}, ...: {_mode_in_words(run, mode)}" for mode in sorted(shown)]
    said = figure_modes.count_said(shown, run)
    return "\n".join(lines + ([f"  {said}; --modes lists others"] if said else []))


def _mode_in_words(run, mode):
    v = ", ".join(f"{component:.4g}" for component in np.atleast_1d(run.series["v"][mode]))
    kind = "neutrinos" if figure_modes.signs_of(run.series)[mode] > 0 else "antineutrinos"
    if not figure_modes.has_species(run):
        kind = f"direction with an excess of {kind}"
    energy = "" if run.modes.p is None else f", p = {run.modes.p[mode]:.6g}"
    return f"{kind}, v = ({v}){energy}, density {run.series['density'][mode]:.6g} n"


# ---- the positions --------------------------------------------------------------------------------------------------


def _write_grid(run, space):
    """fields.grid.h5 with the coordinates x, y and z of every point, each (x, y, z); y = 0 in two dimensions."""
    import h5py

    path = run.directory / GRID
    place = {axis: np.asarray(run.fields[axis]) for axis in space} | ({} if "y" in space else {"y": np.zeros(1)})
    shape = tuple(len(place[axis]) for axis in "xyz")
    partial = aside(path)
    try:
        with h5py.File(partial, "x") as file:
            for name in "xyz":
                data = file.create_dataset(
                    name,
                    shape,
                    chunks=(1, *shape[1:]) if np.prod(shape[1:]) < 2**26 else True,
                    compression="gzip",
                    compression_opts=1,
                    shuffle=True,
                    track_times=False,
                )
                data.attrs["units"] = "1/mu"
                for i in range(shape[0]):
                    values = {"x": place["x"][i], "y": place["y"][:, None], "z": place["z"]}
                    data[i] = np.broadcast_to(values[name], shape[1:])
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path


# ---- the text -------------------------------------------------------------------------------------------------------


def _document(run, space, modes, uniform):
    times, fields = np.asarray(run.fields["time"]), _Fields(run, space, uniform)
    about = "".join(f'      <Information Name="mode {mode}" Value={_quoted(_mode_in_words(run, mode))}/>\n' for mode in modes)
    steps = "".join(
        f'      <Grid Name="box" GridType="Uniform">\n        <Time Value="{float(t)!r}"/>\n{fields.mesh}'
        f"{''.join(fields.attributes(row, modes))}      </Grid>\n"
        for row, t in enumerate(times)
    )
    axes = "X is z, Y is y, Z is x" if uniform else "X, Y, Z are x, y, z"
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<Xdmf Version="2.2">\n  <Domain>\n'
        f'    <Grid Name={_quoted(run.title)} GridType="Collection" CollectionType="Temporal">\n'
        f'      <Information Name="axes" Value="{axes}; lengths in 1/mu, P in n, kappa in mu n"/>\n'
        f"{about}{steps}    </Grid>\n  </Domain>\n</Xdmf>\n"
    )


def _quoted(text):
    """A value of an attribute of XML, with its quotation marks."""
    from xml.sax.saxutils import quoteattr  # which loads what talks to web servers

    return quoteattr(text)


class _Fields:
    """The parts of the text for the snapshots of one run."""

    def __init__(self, run, space, uniform):
        self.run, self.space, self.uniform, self.algebra = run, space, uniform, algebra_of(run.series)
        points = [len(run.fields[axis]) for axis in space]
        self.shape = points if len(space) == 3 else [points[0], 1, points[1]]  # one layer of y
        self.dimensions = " ".join(map(str, self.shape))
        self.mesh = self._uniform_mesh() if uniform else self._mesh()

    def _mesh(self):
        positions = "".join(
            f'            <DataItem Format="HDF" NumberType="Float" Precision="8" Dimensions="{self.dimensions}">{GRID}:/{axis}'
            "</DataItem>\n"
            for axis in "xyz"
        )
        return (
            f'        <Topology TopologyType="3DSMesh" Dimensions="{self.dimensions}"/>\n'
            f'        <Geometry GeometryType="X_Y_Z">\n{positions}        </Geometry>\n'
        )

    def _uniform_mesh(self):
        at = {axis: np.asarray(self.run.fields[axis], dtype=float) for axis in self.space}
        lengths = dict(zip(self.space, self.run.config.box.length))
        origin = [float(at[axis][0]) if axis in at else 0.0 for axis in "xyz"]
        spacing = [lengths[axis] / len(at[axis]) if axis in at else 1.0 for axis in "xyz"]
        numbers = "".join(
            f'          <DataItem Format="XML" NumberType="Float" Precision="8" Dimensions="3">'
            f"{' '.join(map(repr, map(float, three)))}</DataItem>\n"
            for three in (origin, spacing)
        )
        return (
            f'        <Topology TopologyType="3DCoRectMesh" Dimensions="{self.dimensions}"/>\n'
            f'        <Geometry GeometryType="ORIGIN_DXDYDZ">\n{numbers}        </Geometry>\n'
        )

    def attributes(self, row, modes):
        """The arrays of a snapshot: of each mode, and of all together."""
        fields = self.run.fields
        for mode in modes:
            yield from self._polarization(row, mode)
            for name in ("kappa", "Phi"):
                if name in fields:
                    yield self._scalar(f"{name}_{mode}", self._slab(name, row, mode))
            if "F" in fields:
                yield from self._flux(row, mode)
        count = len(self.run.series["density"])
        if count <= MOST_IN_DENSITY:
            yield self._scalar("U_density", self._energy_density(row, count))

    def _polarization(self, row, mode):
        """P of a mode: as a vector where viewers can hold it, three components, and those alone that tell its populations."""
        P = [self._slab("P", row, mode, component) for component in range(self.algebra.components)]
        if len(P) == 3:
            yield self._vector(f"P_{mode}", P)
        alone = np.any(self.algebra.content_weights, axis=0) | (len(P) != 3)
        for index in np.flatnonzero(alone):
            yield self._scalar(f"P{self.algebra.component_names[index]}_{mode}", P[index])

    def _flux(self, row, mode):
        F = {axis: self._slab("F", row, mode, number) for number, axis in enumerate(self.space)}
        if len(F) == 3:
            yield self._vector(f"F_{mode}", [F[axis] for axis in ("zyx" if self.uniform else "xyz")])
        else:
            for axis, slab in F.items():
                yield self._scalar(f"F{axis}_{mode}", slab)

    def _slab(self, name, *index):
        """One scalar of a snapshot: the part of a dataset at these indices of its first axes."""
        whole = self.run.fields[name].shape
        rest = whole[len(index) :]
        corner = " ".join(map(str, (*index, *[0] * len(rest))))
        stride, count = " ".join(["1"] * len(whole)), " ".join(map(str, (*[1] * len(index), *rest)))
        return (
            f'<DataItem ItemType="HyperSlab" Type="HyperSlab" Dimensions="{self.dimensions}">'
            f'<DataItem Format="XML" Dimensions="3 {len(whole)}">{corner} {stride} {count}</DataItem>'
            f'<DataItem Format="HDF" NumberType="Float" Precision="8" Dimensions="{" ".join(map(str, whole))}">'
            f"fields.h5:/{name}</DataItem></DataItem>"
        )

    def _function(self, function, items, shape):
        return f'<DataItem ItemType="Function" Function="{function}" Dimensions="{shape}">{"".join(items)}</DataItem>'

    def _vector(self, name, components):
        joined = self._function("JOIN($0 , $1 , $2)", components, self.dimensions + " 3")
        return f'        <Attribute Name="{name}" AttributeType="Vector" Center="Node">{joined}</Attribute>\n'

    def _scalar(self, name, item):
        return f'        <Attribute Name="{name}" AttributeType="Scalar" Center="Node">{item}</Attribute>\n'

    def _energy_density(self, row, count):
        """c_nu/4 (D_0.D_0 - sum_i D_i.D_i), the integrand of U_osc, from the moments D_m = sum_b s_b v_b^m P_b.

        Functions within functions: a reader counts the items of each by a single digit.
        """
        signs, table = figure_modes.signs_of(self.run.series), self.run.modes
        v = np.asarray(table.v if table.xyz is None else table.xyz, dtype=float)
        strength = (self.run.config.get("attenuation") or {}).get("self", 1.0)
        by_component = []
        for component in range(self.algebra.components):
            slabs = [self._slab("P", row, mode, component) for mode in range(count)]
            moments = [self._sum(weight, slabs) for weight in (signs, *(signs[:, None] * v).T)]
            squares = "".join(f" - (${i} * ${i})" for i in range(1, len(moments)))
            by_component.append(self._function(f"($0 * $0){squares}", moments, self.dimensions))
        total = " + ".join(f"${index}" for index in range(len(by_component)))
        return self._function(f"{0.25 * strength!r} * ({total})", by_component, self.dimensions)

    def _sum(self, weights, items):
        terms = [f" {'-' if weight < 0 else '+'} ({abs(float(weight))!r} * ${number})" for number, weight in enumerate(weights)]
        return self._function("(0.0 * $0)" + "".join(terms), items, self.dimensions)
