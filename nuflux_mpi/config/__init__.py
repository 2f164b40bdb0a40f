"""Configuration: one schema, from which validation, the commented templates and docs/config.md are made.

A config is TOML. `resolve` turns a file, a dict or the name of a shipped case into a plain nested dict in which every
default is written out; that dict is what the rest of the package sees, what is broadcast to the other ranks and what
is stored as run.toml. Nothing here knows about MPI; pydantic is imported only where a config is validated.

May import physics and all rooms before it. Names: `resolve`, `documentation`, `to_toml`.
"""

import copy
import difflib
import json
import math
import re
import tomllib
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from ..errors import InputError
from ..physics import direction_table, seeding
from ..storage import config_text
from ..storage.config_text import DEEPEST, LONGEST_NAME
from ..time import times
from . import cadence

CASES_DIR = Path(__file__).parent.parent / "cases"
DEFAULT_CASE = "two_beam"
REQUIRED = object()  # default of a key that has none
SMALLEST, LARGEST = 1e-30, 1e30  # sizes of numbers other than 0: their squares and cubes are still doubles


LISTS = ("numbers", "integers", "vectors")


@dataclass(frozen=True)
class Key:
    """One key of the config: everything that validation, template and documentation need to know about it.

    type: number, integer, boolean, string, choice, numbers, integers, modes, or tables (with the keys of one table in
    `fields`); number per axis and integer per axis, alone in a box of one dimension, else a list of two or three; vectors, a
    list of numbers, or of vectors with two or three components. bounds: pydantic's gt, ge, lt, le, for a
    list of each item. unset: what a default of None stands for.
    when: {selector key: value} under which the key exists at all.
    """

    name: str
    type: str
    default: object
    meaning: str
    bounds: dict = field(default_factory=dict)
    choices: tuple = ()
    unset: str = ""
    when: dict = field(default_factory=dict)
    fields: tuple = ()

    @property
    def allowed(self):
        """What the key accepts, as the end of the sentence 'it must be ...'."""
        if self.type in LISTS:
            return f"a non-empty list, each item {self.allowed_item}" + ", or a list of them, one per axis" * self.vectors
        if self.per_axis:
            return f"{self.allowed_item}, or a list of them, one per axis"
        if self.type == "modes":
            return 'a mode index counted from 0, a list of them, or "all"'
        if self.type == "tables":
            return "a non-empty list of tables"
        return self.allowed_item

    @property
    def allowed_item(self):
        """The same for a single value."""
        if self.choices:
            return "one of " + ", ".join(toml_value(choice) for choice in self.choices)
        nouns = {
            "number": "a finite number",
            "vector": "a finite number",
            "integer": "an integer",
            "boolean": "true or false",
            "string": "a string",
        }
        signs = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}
        bounds = " and ".join(f"{signs[name]} {value:g}" for name, value in self.bounds.items())
        return f"{nouns[self.scalar]} {bounds}".rstrip()

    @property
    def scalar(self):
        """The type of a single number, if the key takes several as well."""
        return self.type.removesuffix(" per axis").removesuffix("s")

    @property
    def per_axis(self):
        return self.type.endswith(" per axis")

    @property
    def vectors(self):
        return self.type == "vectors"


_BEAMS, _ANGULAR = {"kind": "beams"}, {"kind": "angular"}
_GAUSSIAN = _ANGULAR | {"distribution": "gaussian"}
_POLYNOMIAL = _ANGULAR | {"distribution": "polynomial"}
_TABLE = _ANGULAR | {"distribution": "table"}
_SEEDS, _POWER_LAW, _FOURIER, _PROFILE, _EIGENMODE, _FILE = (
    {"kind": kind} for kind in ("seeds", "power-law", "fourier", "profile", "eigenmode", "file")
)
_RANDOM = {"kind": ("seeds", "power-law")}
_PROFILE_OR_EIGENMODE = {"kind": ("profile", "eigenmode")}
_BUNCH, _THERMAL, _STORED = ({"distribution": kind} for kind in ("gaussian", "thermal", "file"))
_NOT_FILE = {"kind": ("seeds", "power-law", "fourier", "profile", "eigenmode")}

_WAVE = (
    Key("n", "integer per axis", REQUIRED, "signed harmonic: wavenumber k = 2 pi n / length"),
    Key("amplitude", "number", REQUIRED, "amplitude of psi = P^x + i P^y, unit by amplitudes_in", {"ge": 0}),
    Key("phase", "number", 0.0, "phase at the origin of the box [rad]"),
    Key("mode", "modes", "all", "modes that carry the wave"),
)

SCHEMA = {
    "": (
        Key("title", "string", "", "one line for figures and logs"),
        Key("name", "string", None, "short name of the run", unset="the file's name without .toml"),
    ),
    "box": (
        Key(
            "length", "number per axis", REQUIRED, "length of the periodic box [1/mu]: of z, or [x, z], or [x, y, z]", {"gt": 0}
        ),
        Key(
            "points",
            "integer per axis",
            REQUIRED,
            "grid points along z, or [x, z], or [x, y, z]; the last axis is cut over the ranks",
            {"ge": 2, "le": 10**12},
        ),
        Key(
            "origin", "number per axis", 0.0, "z of the first grid point [1/mu]; in more dimensions one number serves all axes"
        ),
        Key(
            "fftw",
            "choice",
            "measure",
            "FFTW planning effort: measure is faster, estimate repeats bit by bit",
            choices=("measure", "estimate"),
        ),
        Key(
            "exchange",
            "choice",
            "auto",
            "between ranks of one node: auto is through memory that they share, where they can",
            choices=("auto", "messages"),
        ),
    ),
    "modes": (
        Key(
            "kind",
            "choice",
            "beams",
            "beams: a list of directions; angular: a quadrature over directions",
            choices=("beams", "angular"),
        ),
        Key(
            "velocity",
            "vectors",
            [1.0, -1.0],
            "v_a: velocity of each mode along the box; in more dimensions vectors [v_x, v_z] "
            "or [v_x, v_y, v_z] with abs(v) <= 1",
            {"ge": -1, "le": 1},
            when=_BEAMS,
        ),
        Key(
            "sign",
            "integers",
            None,
            "s_a: 1 for neutrinos, -1 for antineutrinos",
            choices=(1, -1),
            unset="1 for every mode",
            when=_BEAMS,
        ),
        Key(
            "density",
            "numbers",
            None,
            "n_a = Tr N_a of each mode [n]",
            {"gt": 0},
            unset="mean |P_a| of the initial state",
            when=_BEAMS,
        ),
        Key("number", "integer", REQUIRED, "number of directions", {"ge": 2, "le": 2048}, when=_ANGULAR),
        Key(
            "azimuths",
            "integer",
            None,
            "directions around z for each of these, in two or three dimensions only",
            {"ge": 1, "le": 2048},
            unset="8 there",
            when=_ANGULAR,
        ),
        Key(
            "quadrature",
            "choice",
            "gauss-legendre",
            "points and weights on -1 <= v <= 1",
            choices=("gauss-legendre", "midpoint"),
            when=_ANGULAR,
        ),
        Key(
            "distribution",
            "choice",
            "gaussian",
            "lepton number G(v): neutrinos minus antineutrinos",
            choices=("gaussian", "polynomial", "table"),
            when=_ANGULAR,
        ),
        Key(
            "alpha",
            "number",
            REQUIRED,
            "antineutrinos per neutrino in G = g(v; sigma) - alpha g(v; sigma_bar)",
            {"ge": 0},
            when=_GAUSSIAN,
        ),
        Key("sigma", "number", 0.6, "width of g(v; sigma) ~ exp(-(v-1)^2 / 2 sigma^2), neutrinos", {"gt": 0}, when=_GAUSSIAN),
        Key("sigma_bar", "number", 0.53, "the same for antineutrinos", {"gt": 0}, when=_GAUSSIAN),
        Key("coefficients", "numbers", REQUIRED, "g_0, g_1, ... of G(v) = sum_n g_n v^n [n]", when=_POLYNOMIAL),
        Key(
            "v",
            "numbers",
            REQUIRED,
            "ascending velocities of the table, G is linear between them and constant beyond",
            {"ge": -1, "le": 1},
            when=_TABLE,
        ),
        Key("G", "numbers", REQUIRED, "G(v) at the velocities of the table [n]", when=_TABLE),
        Key(
            "path",
            "string",
            None,
            "file that has v and G in their place: text of two columns, or HDF5; relative to the config",
            unset="v and G are in the config",
            when=_TABLE,
        ),
    ),
    "initial": (
        Key(
            "kind",
            "choice",
            "seeds",
            "seeds: random (Eq. 13); power-law: random phases; fourier: chosen waves; "
            "profile: a bump; eigenmode; file: dataset P",
            choices=("seeds", "power-law", "fourier", "profile", "eigenmode", "file"),
        ),
        Key("zeta", "numbers", None, "P_a^z of each mode without its transverse part [n]", unset="+n_a", when=_NOT_FILE),
        Key("variance", "number", 1e-8, "variance of the amplitudes c_n, unit by amplitudes_in", {"ge": 0}, when=_SEEDS),
        Key(
            "draw",
            "choice",
            "random",
            "random: c_n normal, phases uniform; golden-ratio: |c_n| = sqrt(variance), "
            "c_0 = 0, phases that every code can repeat",
            choices=("random", "golden-ratio"),
            when=_SEEDS,
        ),
        Key(
            "exponent",
            "number",
            1.0,
            "p of psi = sum_n amplitude |n|^-p exp(i (2 pi n z / length + phi_n)), 0 < |n| <= n_max",
            {"ge": 0},
            when=_POWER_LAW,
        ),
        Key(
            "n_max",
            "integer",
            None,
            "highest harmonic N_max, of each axis; must stay below points / 2",
            {"ge": 0},
            unset="100, without k_max",
            when=_RANDOM,
        ),
        Key(
            "k_max",
            "number",
            None,
            "in place of n_max: highest wave number along each axis [mu], whatever the length",
            {"gt": 0},
            unset="n_max counts",
            when=_RANDOM,
        ),
        Key("seed", "integer", 1, "seed of the random numbers", {"ge": 0}, when=_RANDOM),
        Key("same_for_all", "boolean", False, "true: every mode gets the same functions", when=_RANDOM),
        Key("waves", "tables", REQUIRED, "the harmonics, one table [[initial.waves]] each", when=_FOURIER, fields=_WAVE),
        Key(
            "shape",
            "choice",
            "gaussian",
            "gaussian: exp(-x^2/2); sech: 1/cosh(x); cosine: (1 + cos(pi x))/2 inside |x| < 1; x = (z - center)/width",
            choices=("gaussian", "sech", "cosine"),
            when=_PROFILE,
        ),
        Key(
            "amplitude",
            "number",
            REQUIRED,
            "profile, eigenmode: largest |psi_a|; power-law: that of n = 1 and -1; unit by amplitudes_in",
            {"ge": 0},
            when={"kind": ("profile", "power-law", "eigenmode")},
        ),
        Key("width", "number", REQUIRED, "width of the bump [1/mu], at least one grid spacing", {"gt": 0}, when=_PROFILE),
        Key(
            "center",
            "number per axis",
            None,
            "z of the bump [1/mu], its periodic images included",
            unset="middle of the box",
            when=_PROFILE,
        ),
        Key(
            "phase",
            "number",
            0.0,
            "phase of psi = P^x + i P^y (eigenmode: its largest psi_a) at the origin [rad]",
            when=_PROFILE_OR_EIGENMODE,
        ),
        Key(
            "n",
            "integer per axis",
            0,
            "harmonic: exp(2 pi i n z / length) of the eigenmode, or under the bump",
            when=_PROFILE_OR_EIGENMODE,
        ),
        Key(
            "root",
            "integer",
            0,
            "which eigenmode: 0 the fastest, then by falling growth, then by rising frequency",
            {"ge": 0},
            when=_EIGENMODE,
        ),
        Key("growing", "boolean", True, "true: refuse an eigenmode that does not grow", when=_EIGENMODE),
        Key(
            "amplitudes_in",
            "choice",
            "n",
            "unit of amplitudes: the common n, or each mode's own n_a (|zeta_a| where no density is known)",
            choices=("n", "n_a"),
            when=_NOT_FILE,
        ),
        Key(
            "normalize",
            "boolean",
            True,
            "true: shorten P^z so that |P_a| = |zeta_a|; false: P^z = zeta as in the paper",
            when=_NOT_FILE,
        ),
        Key(
            "path",
            "string",
            REQUIRED,
            "HDF5 file with dataset P of shape (modes, 3, points of each axis), weights absorbed [n]; relative to the config",
            when=_FILE,
        ),
    ),
    "equations": (
        Key(
            "level",
            "choice",
            "standard",
            "standard: flavor only; energy: and kappa_a, the energy each mode gains; momentum: and f_a(q); full: all of Eq. 16",
            choices=("standard", "energy", "momentum", "full"),
        ),
    ),
    "full": (
        Key("points", "integer", 64, "grid points in p_z, an even number (level full)", {"ge": 4, "le": 2**16}),
        Key("p_max", "number", 16.0, "the grid covers -p_max < p_z < p_max [mu]", {"gt": 0}),
        Key("perp_points", "integer", 4, "points of the quadrature in p_perp", {"ge": 1, "le": 128}),
        Key(
            "distribution",
            "choice",
            "gaussian",
            "momenta of each mode: gaussian: beams with a width; thermal: pinched "
            "spectra with an angular width; file: dataset rho",
            choices=("gaussian", "thermal", "file"),
        ),
        Key("p0", "number", 8.0, "|p| of the beams [mu]; r_mu = 1/p0", {"gt": 0}, when=_BUNCH),
        Key(
            "sigma",
            "number",
            1.2,
            "width of the beams in p_z and p_perp [mu]; with a file, that of the rule laguerre",
            {"gt": 0},
            when={"distribution": ("gaussian", "file")},
        ),
        Key(
            "p_mean",
            "numbers",
            REQUIRED,
            "mean |p| of the spectra [mu]: one for all modes, or one for each",
            {"gt": 0},
            when=_THERMAL,
        ),
        Key(
            "pinching",
            "numbers",
            [10.0],
            "spectra p^pinching exp(-(pinching + 1) p / p_mean) in |p|; as p_mean",
            {"gt": 2},
            when=_THERMAL,
        ),
        Key(
            "angular_width",
            "numbers",
            [0.6],
            "directions exp(-(v - v_a)^2 / 2 width^2) about that of the mode; as p_mean",
            {"gt": 0},
            when=_THERMAL,
        ),
        Key(
            "path",
            "string",
            REQUIRED,
            "HDF5 file with dataset rho [n/mu^3] of shape (species, perp_points, 4, points) "
            "or the same with box.points; relative to the config",
            when=_STORED,
        ),
        Key(
            "quadrature",
            "choice",
            "legendre",
            "rule in p_perp: legendre: up to p_max; laguerre: in p_perp^2 / 2 sigma^2",
            choices=("legendre", "laguerre"),
            when=_STORED,
        ),
        Key("group_velocity", "boolean", True, "the term 1/2 {grad_p Omega, d_z f} of Eq. 16"),
        Key("force", "boolean", True, "the term -1/2 {d_z Omega, grad_p f} of Eq. 16"),
        Key("commutator", "boolean", True, "the flavor rotation i [f, Omega]"),
    ),
    "momentum": (
        Key("points", "integer", 64, "grid points in q = |p| - p_0, an even number (level momentum)", {"ge": 4, "le": 2**16}),
        Key("half_width", "number", 12.0, "the grid covers -half_width <= q < half_width [mu]", {"gt": 0}),
        Key(
            "distribution",
            "choice",
            "gaussian",
            "distribution of every mode in q at the start",
            choices=("gaussian", "fermi-dirac", "file"),
        ),
        Key("sigma", "number", 0.7, "width: exp(-q^2 / 2 sigma^2) [mu]", {"gt": 0}, when={"distribution": "gaussian"}),
        Key(
            "temperature",
            "number",
            REQUIRED,
            "p^2 / (exp(p / temperature - eta) + 1), q counted from the mean of p [mu]",
            {"gt": 0},
            when={"distribution": "fermi-dirac"},
        ),
        Key("eta", "number", 0.0, "degeneracy parameter", when={"distribution": "fermi-dirac"}),
        Key(
            "path",
            "string",
            REQUIRED,
            "HDF5 file with datasets q and g, interpolated; relative to the config",
            when={"distribution": "file"},
        ),
    ),
    "time": (
        Key("start", "number", 0.0, "time of the initial state [1/mu]"),
        Key("end", "number", REQUIRED, "last time [1/mu]"),
        Key(
            "rtol",
            "number",
            1e-10,
            "error allowed per step in the 2-norm of the fields, relative to that norm at the start",
            {"ge": 1e-15, "lt": 1},
        ),
        Key("atol", "number", 0.0, "error allowed per step in the 2-norm of the fields, added to the relative one", {"ge": 0}),
        Key(
            "method",
            "choice",
            "auto",
            "order, then pair or splitting (bm); auto: adams, 8vr for full",
            choices=("3bs", "5dp", "5bs", "6vr", "7vr", "8vr", "4bm", "6bm", "adams", "auto"),
        ),
        Key("dt_initial", "number", None, "first step [1/mu]", {"gt": 0}, unset="chosen from the right-hand side"),
        Key(
            "dt_min",
            "number",
            None,
            "smallest step [1/mu]; a smaller one ends the run",
            {"gt": 0},
            unset="512 spacings of doubles, 1e-13 of the longest step",
        ),
        Key("dt_max", "number", None, "largest step [1/mu]", {"gt": 0}, unset="no limit"),
    ),
    "output": (
        Key(
            "series_every",
            "number",
            None,
            "time between rows of series.h5 [1/mu]",
            {"gt": 0},
            unset="1/200 of the run's duration",
        ),
        Key(
            "fields_every",
            "number",
            None,
            "time between snapshots in fields.h5 [1/mu]; 0: only start and end",
            {"ge": 0},
            unset="1/200 of the run's duration, less often (to 1/20) where fields.h5 would exceed 100 MB",
        ),
        Key(
            "phase_space_every",
            "number",
            0.0,
            "time between snapshots of f in phase_space.h5 [1/mu]; 0: only start and end",
            {"ge": 0},
        ),
        Key(
            "spectrum_every",
            "number",
            None,
            "time between power spectra in series.h5 [1/mu]; 0: none",
            {"ge": 0},
            unset="series_every",
        ),
        Key(
            "checkpoint_every",
            "number",
            600.0,
            "wall time between checkpoints [s]; 0: only at the start, and when the run ends or stops",
            {"ge": 0},
        ),
        Key("figures", "boolean", True, "draw the figures when the run is done"),
        Key("log_every", "number", 10.0, "wall time between progress lines [s]", {"gt": 0}),
    ),
    "petsc": (Key("options", "string", "", 'PETSc options, for example "-ts_view -log_view"'),),
    "run": (
        Key(
            "timeout",
            "number",
            0.0,
            "wall time without progress after which the run gives up, since a node or the network is lost [s]; 0: never",
            {"ge": 0},
        ),
    ),
}

# Methods that solve advection and the local terms one after the other.
SPLITTINGS = ("4bm", "6bm")
# Sections of one level: they need not be there for another, but may be, so that levels of one case can be compared.
LEVEL_SECTIONS = ("full", "momentum")


# ---------------------------------------------------------------------------------------------------- resolving


def cases():
    """Names of the shipped cases with their titles, the paper's example first."""
    names = sorted((path.stem for path in CASES_DIR.glob("*.toml")), key=lambda name: (name != DEFAULT_CASE, name))
    return {name: tomllib.loads(_case_text(name)).get("title", "") for name in names}


def resolve(source, overrides=(), base_dir=None):
    """Validate a config and write out every default.

    source: path of a TOML file, name of a shipped case, or a dict (a resolved one comes back unchanged).
    overrides: strings "section.key=value"; the value is TOML, or a bare word for a string. One of initial.n_max and k_max
    replaces the other one.
    base_dir: directory that relative paths start from; default: the file's own, for a dict the current one.
    Returns a plain nested dict; keys that may stay open (such as modes.density) are None, paths are absolute.
    InputError lists everything that is wrong, one sentence per line. Call it on one rank and broadcast.
    """
    raw, label, name, directory = _load(source)
    base_dir = Path(base_dir) if base_dir is not None else directory
    seeding.make_way(raw, overrides)
    for override in overrides:
        _apply(override, raw)

    problems = []
    _make_paths_portable(raw)
    if isinstance(raw.get("modes"), dict):
        try:
            direction_table.take_in(raw["modes"], base_dir)
        except InputError as error:
            raise InputError(f"{label}: {str(error).rstrip('.')}.") from None
    resolved = _validate(raw, problems)
    if not problems:
        _fill_in(resolved, name, base_dir)
        _cross_check(resolved, problems)
    if not problems and len(to_toml(resolved).encode()) > config_text.LONGEST:
        problems.append(
            f"with every default written out it has more than {config_text.LONGEST} bytes, so that it could not be read again."
        )
    if problems:
        raise InputError(config_text.told(problems, label))
    return resolved


def flat(table, prefix=""):
    """Pairs ("section.key", value) of a nested dict."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def mode_count(modes):
    """Number of modes that a resolved section [modes] describes."""
    return len(modes["velocity"]) if modes["kind"] == "beams" else modes["number"] * (modes.get("azimuths") or 1)


def per_axis(value):
    """A resolved value of a key that takes one number per axis, as a list."""
    return value if isinstance(value, list) else [value]


def dimensions(config):
    """Number of space dimensions of a resolved config."""
    return len(per_axis(config["box"]["points"]))


def _load(source):
    """Returns the raw dict, a label for messages, the default name, and the directory of relative paths."""
    if isinstance(source, dict):
        return _plain(source), "config", "run", Path.cwd()
    text = str(source)
    path = Path(text)
    if text in _case_names():
        if path.is_file():
            raise InputError(
                f"{text} is the name of a shipped case and of a file here: write ./{text} for the file, or give "
                "the file another name to run the case."
            )
        return tomllib.loads(_case_text(text)), text, text, Path.cwd()
    try:
        content = config_text.read(path)
    except FileNotFoundError:
        close = difflib.get_close_matches(text, _case_names(), n=1)
        hint = f"did you mean the shipped case {close[0]}" if close else f"shipped cases are {', '.join(cases())}"
        raise InputError(f"{path}: no such file; {hint}.") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from None
    return _parsed(content, f"{path} is not valid TOML"), path.name, config_text.name_of(path.stem), path.resolve().parent


def _parsed(text, complaint):
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


def _deeper(value, levels):
    """Whether a value nests more than so many levels of tables and lists."""
    if not isinstance(value, (dict, list)):
        return False
    items = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_deeper(item, levels - 1) for item in items)


def _case_names():
    return [path.stem for path in CASES_DIR.glob("*.toml")]


def _case_text(name):
    return (CASES_DIR / f"{name}.toml").read_text(encoding="utf-8")


def _plain(value):
    """A deep copy in plain Python: numpy arrays and scalars, tuples and paths as a TOML file would have given them."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):
        return value.tolist()
    return str(value) if isinstance(value, Path) else copy.copy(value)


def _apply(override, raw):
    """Write one "section.key=value" into the raw dict; the value is validated with everything else."""
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
        value = _parsed(f"value = {text}", f"--set {name.strip()}")
    if list(value) != ["value"]:  # lines after the first would go unheard
        raise InputError(f"--set {config_text.one_line(shown)}: expected one value, without further lines.")
    table = raw
    if len(parts) == 2:
        table = raw.setdefault(parts[0], {})
        if not isinstance(table, dict):
            raise InputError(f"--set {shown}: {parts[0]} is not a section.")
    table[parts[-1]] = value["value"]


def _validate(raw, problems):
    """Types, bounds, choices and unknown keys of every section; returns the dict with the schema's own defaults."""
    sections = sorted((section for section in SCHEMA if section), key=lambda section: section in LEVEL_SECTIONS)
    top = {key: value for key, value in raw.items() if key not in sections}
    resolved = _validate_table(SCHEMA[""], top, "", problems) or {}
    for section in sections:
        table = raw.get(section)
        level = (resolved["equations"] or {}).get("level") if section in LEVEL_SECTIONS else None
        if section in LEVEL_SECTIONS and table is None and level != section:
            continue
        table = {} if table is None else table
        if isinstance(table, dict):
            resolved[section] = _validate_table(SCHEMA[section], table, section, problems)
        else:
            problems.append(f"{section} must be a section with keys of its own, not {toml_value(table)}.")
    return resolved


def _validate_table(keys, table, where, problems):
    """Check one table against its keys. Appends sentences to problems; returns the complete table, or None."""
    from pydantic import ConfigDict, ValidationError, create_model

    table = {name: value for name, value in table.items() if value is not None}
    alone = [key.name for key in keys if key.per_axis and isinstance(table.get(key.name), list) and len(table[key.name]) == 1]
    table |= {name: table[name][0] for name in alone}
    selected = _selected(keys, table)
    for key in keys:
        if key.name in selected and selected[key.name] not in key.choices and _in_force(key, selected):
            problems.append(_refusal(f"{where}.{key.name}", key.allowed, selected[key.name]))
            return None  # without it nobody knows which other keys are meant
    here = {key.name: key for key in keys if _in_force(key, selected)}

    rules = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
    fields = {
        name: (_annotation(key, table.get(name)), ... if key.default is REQUIRED else key.default) for name, key in here.items()
    }
    try:
        return _plain(create_model("Table", __config__=rules, **fields).model_validate(table).model_dump())
    except ValidationError as error:
        # A misspelled key is one mistake: that the right one is missing then goes without saying.
        details = error.errors()[: 2 * config_text.MOST_SENTENCES]
        misspelled = {_closest(name, here) for name in islice(table, 2 * config_text.MOST_SENTENCES) if name not in here}
        found = [
            _sentence(detail, table, where, keys, here)
            for detail in details
            if not (detail["type"] == "missing" and len(detail["loc"]) == 1 and detail["loc"][0] in misspelled)
        ]
        problems.extend(dict.fromkeys(found))  # each once
    return None


def _closest(name, names):
    """The one of `names` that a misspelled name probably stands for, or None."""
    return next(iter(difflib.get_close_matches(str(name), names, n=1)), None)


def _selected(keys, table):
    """Values of the keys (kind, distribution) on which the presence of other keys depends."""
    names = {name for key in keys for name in key.when}
    return {key.name: table.get(key.name, key.default) for key in keys if key.name in names}


def _in_force(key, selected):
    """Whether a key exists for these values of kind and distribution."""
    return all(selected[name] in _as_tuple(values) for name, values in key.when.items())


def _annotation(key, value):
    """The type that pydantic checks a value for; the value decides between a number and a list, where both are allowed."""
    from typing import Annotated, Literal

    from pydantic import AfterValidator, Field, create_model

    if key.type == "tables":
        tables = [table for table in value if isinstance(table, dict)] if isinstance(value, list) else []
        fields = {}
        for item in key.fields:
            several = next((table[item.name] for table in tables if isinstance(table.get(item.name), list)), None)
            fields[item.name] = _annotation(item, several), ... if item.default is REQUIRED else item.default
        model = create_model("Item", __config__={"extra": "forbid", "strict": True, "allow_inf_nan": False}, **fields)
        return Annotated[list[model], Field(min_length=1)]
    if key.type == "modes":
        index = Annotated[int, Field(ge=0)]
        return index | Annotated[list[index], Field(min_length=1)] | Literal["all"]
    scalar = {"number": float, "vector": float, "integer": int, "boolean": bool, "string": str, "choice": str}
    item = Annotated[scalar[key.scalar], Field(**key.bounds)]
    if scalar[key.scalar] is float:
        item = Annotated[item, AfterValidator(_of_usual_size)]
    if key.type == "string":
        item = Annotated[item, AfterValidator(_writable)]
    if key.choices:  # not Literal, which takes true for 1
        item = Annotated[item, AfterValidator(lambda value: _one_of(value, key.choices))]
    if key.per_axis and isinstance(value, list):
        return Annotated[list[item], Field(min_length=2, max_length=3)]
    if key.vectors and isinstance(value, list) and any(isinstance(entry, list) for entry in value):
        item = Annotated[list[item], Field(min_length=2, max_length=3)]
    return Annotated[list[item], Field(min_length=1)] if key.type in LISTS else item


def _one_of(value, choices):
    if value not in choices:
        raise ValueError
    return value


def _writable(text):
    """Text that files and HDF5 attributes can hold."""
    if "\0" in text:
        raise ValueError
    text.encode()  # a UnicodeEncodeError is a ValueError
    return text


def _of_usual_size(value):
    if value and not SMALLEST <= abs(value) <= LARGEST:
        raise ValueError
    return value


def _sentence(detail, table, where, keys, here):
    """One of pydantic's error records as a sentence that names the key and what is allowed."""
    location, prefix = detail["loc"], f"{where}." if where else ""
    key = here.get(location[0])
    if key is not None and key.fields and len(location) == 2:  # an item that is no table
        return _refusal(f"{prefix}{key.name}[{location[1]}]", "a table", table[key.name][location[1]])
    if key is not None and key.fields and len(location) > 2:  # inside one of a list of tables
        table, keys, prefix = table[key.name][location[1]], key.fields, f"{prefix}{key.name}[{location[1]}]."
        location = location[2:]
        key = next((item for item in keys if item.name == location[0]), None)
        if key is None:
            return _unknown(prefix, location[0], keys, keys, where)
    if key is None:
        return _unknown(prefix, location[0], keys, tuple(here.values()), where)
    if detail["type"] == "missing":
        return f"{prefix}{key.name} is missing: {key.allowed_item if key.per_axis else key.allowed} ({key.meaning})."
    value, name, allowed = table[key.name], f"{prefix}{key.name}", key.allowed
    for index in location[1:] if key.type in LISTS or key.per_axis else ():
        value, name, allowed = value[index], f"{name}[{index}]", key.allowed_item
    if key.vectors and len(location) == 2 and any(isinstance(item, list) for item in table[key.name]):
        allowed = "a vector, a list of two or three numbers like the others"
    return _refusal(name, key.allowed_item if key.per_axis and not isinstance(value, list) else allowed, value)


def _refusal(name, allowed, value):
    shown = toml_value(value)
    if isinstance(value, (int, float)) and (0 < abs(value) < SMALLEST or LARGEST < abs(value) < math.inf):
        allowed = allowed.replace("a finite number", f"a finite number from {SMALLEST:g} to {LARGEST:g} in size")
    if isinstance(value, str) and allowed == "a string":
        allowed = "a string of valid characters, none of them NUL"
    shown = shown if len(shown) <= 60 else shown[:57] + "..."
    return f"{name} must be {allowed}, not {shown}."


def _unknown(prefix, name, keys, here, where):
    """The sentence about a key that does not exist, with the place or the spelling that was probably meant."""
    text = f"{prefix}{name} is unknown"
    names = [key.name for key in here]
    elsewhere = {}
    for section, others in SCHEMA.items():
        if section != where:
            for key in others:
                elsewhere.setdefault(key.name, f"[{section}]" if section else "the top of the file")
    twin = next((key for key in keys if key.name == name), None)  # exists for another kind only
    if twin is not None:
        owners = " and ".join(
            f"{selector} = {' or '.join(map(toml_value, _as_tuple(values)))}" for selector, values in twin.when.items()
        )
        return f"{text}: it belongs to {owners}."
    if name in SCHEMA:
        return f"{text}: [{name}] is a section of its own."
    if name in elsewhere:
        return f"{text}: it belongs to {elsewhere[name]}."
    candidates = names if where else names + [section for section in SCHEMA if section]
    close = _closest(name, candidates)
    if close:
        return f"{text}: did you mean {close}?"
    close = _closest(name, elsewhere)
    if close:
        return f"{text}: did you mean {close}, in {elsewhere[close]}?"
    return f"{text}: allowed are {', '.join(candidates)}."


def _as_tuple(values):
    return values if isinstance(values, tuple) else (values,)


def _fill_in(resolved, name, base_dir):
    """Write the defaults that depend on other keys, and make paths absolute."""
    time, output, modes, initial = (resolved[section] for section in ("time", "output", "modes", "initial"))
    box, axes = resolved["box"], dimensions(resolved)
    if resolved["name"] is None:
        resolved["name"] = name
    duration = time["end"] - time["start"]
    if output["series_every"] is None:
        output["series_every"] = duration / 200
    if output["spectrum_every"] is None:
        output["spectrum_every"] = output["series_every"]
    if modes["kind"] == "beams" and modes["sign"] is None:
        modes["sign"] = [1] * len(modes["velocity"])
    if axes > 1:
        _fill_in_axes(resolved, axes)
    if "n_max" in initial:
        seeding.settle(initial)
    if output["fields_every"] is None:
        level = resolved["equations"]["level"]
        output["fields_every"] = duration / cadence.snapshots(per_axis(box["points"]), mode_count(modes), level)
    if initial["kind"] == "profile" and initial["center"] is None and not _uneven(box):
        middle = [start + length / 2 for start, length in zip(per_axis(box["origin"]), per_axis(box["length"]))]
        initial["center"] = middle if axes > 1 else middle[0]
    for section in (initial, *(resolved[name] for name in LEVEL_SECTIONS if name in resolved)):
        if section.get("path"):
            section["path"] = _absolute(section["path"], base_dir)


def _make_paths_portable(raw):
    """Paths that --set or a program gave with bytes that are no UTF-8, in place, as a config can hold them."""
    for table in raw.values():
        if isinstance(table, dict) and isinstance(table.get("path"), str):
            table["path"] = config_text.portable_path(table["path"])


def _absolute(path, base_dir):
    """A path of a config as it stands from anywhere; one below a home that nobody has is left as it is."""
    path = config_text.system_path(path)
    try:
        path = Path(path).expanduser()
    except RuntimeError:  # "~nobody/"
        pass
    return config_text.portable_path(str((base_dir / path).resolve()))


def _fill_in_axes(resolved, axes):
    """The same for a box of two or three dimensions."""
    box, modes, initial = (resolved[section] for section in ("box", "modes", "initial"))
    if not isinstance(box["origin"], list):
        box["origin"] = [box["origin"]] * axes
    if modes["kind"] == "angular" and modes["azimuths"] is None:
        modes["azimuths"] = 8
    if initial.get("n") == 0:
        initial["n"] = [0] * axes


def _uneven(box):
    """Names of the keys of a resolved section [box] that have not as many numbers as box.points."""
    axes = len(per_axis(box["points"]))
    return [name for name in ("length", "origin") if len(per_axis(box[name])) != axes]


def _cross_check(resolved, problems):
    """What no single key can tell: lists that must match, harmonics the grid can carry, times in order."""
    name = resolved["name"]
    if not name.strip() or "/" in name or name in (".", "..") or not name.isprintable() or len(name.encode()) > LONGEST_NAME:
        problems.append(
            f"name must be a word without '/' that can name a directory (at most {LONGEST_NAME} bytes), not {toml_value(name)}."
        )
    if not _check_box(resolved["box"], problems):
        return
    _check_dimensions(resolved, problems)
    _check_modes(resolved["modes"], problems)
    _check_initial(resolved["initial"], resolved["modes"], resolved["box"], problems)
    if resolved.get("momentum", {}).get("points", 0) % 2:
        problems.append(f"momentum.points must be even, not {resolved['momentum']['points']}.")
    if resolved["equations"]["level"] == "full" and not problems:
        from ..physics import modes
        from ..physics.full_grid import check_grid

        try:
            directions = modes.build(resolved["modes"])
            check_grid(resolved["full"], directions.v, directions.s)
        except InputError as error:
            problems.append(f"{str(error).rstrip('.')}.")
    time, level = resolved["time"], resolved["equations"]["level"]
    if time["method"] in SPLITTINGS and level not in ("standard", "energy"):
        problems.append(
            "time.method must be adams, auto or a Runge-Kutta pair (8vr, ...) with equations.level = "
            f"{level}, not {time['method']}: splitting is for the levels standard and energy, at which "
            "neutrinos keep their momenta."
        )
    if resolved["petsc"]["options"]:
        from ..physics.levels import method_of
        from ..time.integrator import check_options

        try:
            check_options(resolved["petsc"]["options"], method_of(resolved))
        except InputError as error:
            problems.append(str(error))
    problems += times.problems(time, resolved["output"])


def _check_box(box, problems):
    """Whether all keys have one number per axis; appends a sentence for each that has not."""
    keys, axes, before = {key.name: key for key in SCHEMA["box"]}, len(per_axis(box["points"])), len(problems)
    for name in _uneven(box):
        allowed = keys[name].allowed_item if axes == 1 else f"a list of {axes} numbers, one per axis like box.points"
        problems.append(_refusal(f"box.{name}", allowed, box[name]))
    if math.prod(per_axis(box["points"])) > 10**12:
        problems.append(f"box.points must not be more than 1e+12 in all, not {' x '.join(map(str, box['points']))}.")
    return len(problems) == before


def _check_dimensions(resolved, problems):
    """What a box of one dimension has and others have not, and the lengths of all vectors."""
    axes, modes, initial = dimensions(resolved), resolved["modes"], resolved["initial"]
    level = resolved["equations"]["level"]
    vectors = {f"initial.{name}": initial[name] for name in ("n", "center") if initial.get(name) is not None}
    vectors |= {f"initial.waves[{i}].n": wave["n"] for i, wave in enumerate(initial.get("waves", ()))}
    if modes["kind"] == "beams":
        vectors |= {f"modes.velocity[{a}]": v for a, v in enumerate(modes["velocity"])}
    for name, value in vectors.items():
        if len(per_axis(value)) != axes:
            allowed = "one number" if axes == 1 else f"a list of {axes} numbers"
            problems.append(
                f"{name} must be {allowed} in a box of {axes} dimension{'s' * (axes > 1)} (box.points), "
                f"not {toml_value(value)}."
            )
            break  # what is wrong with one of them is mostly wrong with all
    if axes == 1:
        if modes.get("azimuths") is not None:
            problems.append("modes.azimuths is for boxes of two and three dimensions, and box.points has one: leave it out.")
        return
    if level not in ("standard", "energy"):
        problems.append(
            f"equations.level must be standard or energy in a box of {axes} dimensions (box.points), not {level}: "
            "momenta are resolved in one dimension only."
        )
    for a, v in enumerate(modes.get("velocity", ())):
        if isinstance(v, list) and math.hypot(*v) > 1 + 1e-12:  # rounding of a unit vector
            problems.append(
                f"modes.velocity[{a}] must not be longer than 1, the speed of light, not {toml_value(v)} with "
                f"length {math.hypot(*v):.8g}."
            )


def _check_modes(modes, problems):
    if modes["kind"] == "beams":
        for name in ("sign", "density"):
            _check_length(f"modes.{name}", modes[name], len(modes["velocity"]), problems)
    elif modes["distribution"] == "table":
        _check_length("modes.G", modes["G"], len(modes["v"]), problems, "as many as modes.v")
        if len(modes["v"]) < 2 or any(b <= a for a, b in zip(modes["v"], modes["v"][1:])):
            problems.append("modes.v must be at least two velocities in ascending order.")
    elif modes["distribution"] == "polynomial" and not any(modes["coefficients"]):
        problems.append("modes.coefficients must not all be 0.")


def _check_initial(initial, modes, box, problems):
    count, points = mode_count(modes), per_axis(box["points"])
    smallest = min(points)
    limit = f"a grid of {smallest} points carries harmonics up to {(smallest - 1) // 2}"

    def beyond(n):
        return any(abs(number) > (N - 1) // 2 for number, N in zip(per_axis(n), points))

    if initial["kind"] == "file":
        return
    density = modes.get("density")
    _check_length("initial.zeta", initial["zeta"], count, problems)
    if initial["zeta"] is None and modes["kind"] == "beams" and density is None:
        problems.append("initial.zeta is missing: a list of P_a^z, one per mode, unless modes.density is given.")
    elif initial["zeta"] and density and len(initial["zeta"]) == len(density):
        for a, (zeta, n) in enumerate(zip(initial["zeta"], density)):
            if abs(zeta) > n:
                problems.append(f"initial.zeta[{a}] must not exceed modes.density[{a}] = {n:g} in size, not {zeta:g}.")
    if "n_max" in initial and (wrong := seeding.problem(initial, per_axis(box["length"]), points)):
        problems.append(wrong)
    if initial["kind"] in ("profile", "eigenmode") and beyond(initial["n"]):
        problems.append(f"initial.n must be below box.points / 2 in size, not {initial['n']}: {limit}.")
    if initial["kind"] == "eigenmode" and initial["root"] >= count:
        problems.append(f"initial.root must be below the number of modes, {count}, not {initial['root']}.")
    if initial["kind"] == "profile":
        spacing = max(length / N for length, N in zip(per_axis(box["length"]), points))
        if initial["width"] < spacing:
            problems.append(f"initial.width must be at least the grid spacing {spacing:g}, not {initial['width']:g}.")
    for i, wave in enumerate(initial.get("waves", ())):
        if beyond(wave["n"]):
            problems.append(f"initial.waves[{i}].n must be below box.points / 2 in size, not {wave['n']}: {limit}.")
        if wave["mode"] != "all":
            for index in [wave["mode"]] if isinstance(wave["mode"], int) else wave["mode"]:
                if index >= count:
                    problems.append(f"initial.waves[{i}].mode must be below the number of modes, {count}, not {index}.")


def _check_length(name, values, count, problems, rule="one per mode"):
    if values is not None and len(values) != count:
        problems.append(f"{name} must have {count} items, {rule}, not {len(values)}.")


# ------------------------------------------------------------------------------------------------- writing TOML


def toml_value(value):
    """One value as TOML; tables inside lists become inline tables."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # JSON strings are TOML strings but for the one control character that JSON leaves alone.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    if isinstance(value, dict):
        items = (f"{_toml_key(name)} = {toml_value(item)}" for name, item in value.items() if item is not None)
        return "{" + ", ".join(items) + "}"
    if isinstance(value, int) and value.bit_length() > 10_000:  # Python prints none of more than 4300 digits
        return "an integer of thousands of digits"
    return str(value)  # int, float (repr digits), nan, inf, dates


def to_toml(config):
    """A nested dict as TOML text. None is left out: in a config it means "not given"."""
    lines = []
    _write_table(config, "", lines)
    return "\n".join(lines).strip() + "\n"


def _write_table(table, path, lines):
    plain = {name: value for name, value in table.items() if value is not None and not _is_table(value)}
    lines.extend(f"{_toml_key(name)} = {toml_value(value)}" for name, value in plain.items())
    for name, value in table.items():
        if _is_table(value):
            inner = f"{path}.{_toml_key(name)}" if path else _toml_key(name)
            for item in value if isinstance(value, list) else [value]:
                lines.extend(["", f"[[{inner}]]" if isinstance(value, list) else f"[{inner}]"])
                _write_table(item, inner, lines)


def _is_table(value):
    """Whether a value gets a header of its own: a dict, or a list of nothing but dicts."""
    return isinstance(value, dict) or (
        isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)
    )


def _toml_key(name):
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else toml_value(name)


# ----------------------------------------------------------------------------------- template and documentation


def template(name=DEFAULT_CASE):
    """A shipped case as commented TOML: every key of its kinds with meaning and value, ready for `run`.

    Keys that the case leaves open stand in comments. InputError if there is no such case.
    """
    if name not in _case_names():
        close = difflib.get_close_matches(name, _case_names(), n=1)
        hint = f"did you mean {close[0]}?" if close else f"shipped cases are {', '.join(cases())}."
        raise InputError(f"{name} is not a shipped case: {hint}")
    text = _case_text(name)
    raw = tomllib.loads(text)
    resolved = resolve(name)
    lines = [line for line in text.split("\n\n")[0].splitlines() if line.startswith("#")]
    lines.append("# Units: hbar = c = 1; lengths and times in 1/mu, densities in n.")
    for section, keys in SCHEMA.items():
        if section and section not in resolved:
            continue
        given, values = (raw.get(section, {}), resolved[section]) if section else (raw, resolved)
        selected = _selected(keys, values)
        lines += ["", f"[{section}]"] if section else [""]
        tables = []
        for key in keys:
            if not _in_force(key, selected):
                continue
            if key.type == "tables":
                tables.append(key)
            elif key.default is None and key.name not in given:
                lines.append(_template_line(key, values[key.name], comment=True))
            else:
                lines.append(_template_line(key, values[key.name]))
        for key in tables:
            for item in values[key.name]:
                lines += ["", f"[[{section}.{key.name}]]"]
                lines += [_template_line(part, item[part.name]) for part in key.fields]
    return "\n".join(lines) + "\n"


def _template_line(key, value, comment=False):
    """`key = value  # meaning`, a long meaning above; commented out for a key that stays open."""
    note = key.meaning
    if not all(choice in note for choice in key.choices if isinstance(choice, str)):
        note += f" ({', '.join(key.choices)})"
    if comment:
        note += f"; default: {key.unset}"
    line = f"# {key.name} =" if comment else f"{key.name} = {toml_value(value)}"
    if comment and value is not None:
        line += f" {toml_value(value)}"
    beside = f"{line:<28}  # {note}"
    return beside if len(beside) <= 120 else f"# {note}\n{line}"


_DOCUMENT = """\
# The config

This page is generated from the schema in `nuflux_mpi/config.py`:

    python -m nuflux_mpi.config > docs/config.md

A config is a TOML file. `python -m nuflux_mpi init NAME` prints a shipped case with every key and its meaning,
`init --list` names the cases, and `--set section.key=value` changes a key for one run. Keys that are unknown, or that
belong to another kind, are refused. The resolved config, every default written out, is stored as `run.toml` beside the
results and runs again as it is.

Units: hbar = c = 1; lengths and times in 1/mu, densities and polarization vectors in n. Numbers other than 0 must be
from 1e-30 to 1e30 in size. Equation numbers are those of Fiorillo, Raffelt, Sigl, PRL 133, 021002 (2024).
"""


def documentation():
    """The text of docs/config.md."""
    blocks = [_DOCUMENT]
    for section, keys in SCHEMA.items():
        blocks.append(f"## [{section}]\n" if section else "## Top of the file\n")
        blocks.append(_documentation_table(keys))
        for key in keys:
            if key.fields:
                blocks.append(f"### [[{section}.{key.name}]]\n")
                blocks.append(_documentation_table(key.fields))
    return "\n".join(blocks)


def _documentation_table(keys):
    conditions = any(key.when for key in keys)
    rows = [["key", "meaning", "allowed", "default"] + ["only with"] * conditions]
    rows.append(["---"] * len(rows[0]))
    for key in keys:
        default = (
            "required" if key.default is REQUIRED else key.unset if key.default is None else f"`{toml_value(key.default)}`"
        )
        row = [f"`{key.name}`", key.meaning, key.allowed, default]
        if conditions:
            row.append(", ".join(f"{selector} = {' or '.join(_as_tuple(values))}" for selector, values in key.when.items()))
        rows.append(row)
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |\n" for row in rows)
