"""Which of PETSc's options a run takes, and how they reach its integrator and nothing else does.

PETSc has one table of options for the whole process, and fills it from places that no config names: PETSC_OPTIONS, .petscrc,
the options of a program that uses PETSc too. So the integrator has a PREFIX of its own: it sees ``-nuflux_ts_adapt_type``
and not ``-ts_adapt_type``, whoever has set that. What is in ``petsc.options`` is checked against the lists below and then
given the prefix. Options that load code, read files or write any but standard output are on no list.
"""

import difflib
import os
import re
from contextlib import contextmanager

from ..errors import InputError

PREFIX = "nuflux_"
# Read by PETSc when it starts; the rc files are left out by -skip_petscrc.
VARIABLES = ("PETSC_OPTIONS", "PETSC_OPTIONS_YAML")
# Its handlers of signals would end a run whose terminal or pipe has gone, where Python goes on.
AT_START = ("-no_signal_handler", "-skip_petscrc")

_NUMBER, _COUNT = r"[+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", r"\d+"
_FORMS = "ascii_info|ascii_info_detail"
_ANYTHING_TO_STDOUT = rf"(ascii)?(:(stdout)?(:({_FORMS}))?)?"
_LOG_TO_STDOUT = rf"(ascii)?(:(stdout)?(:({_FORMS}|ascii_csv|ascii_xml|ascii_flamegraph))?)?"
_FLAG = "true|false|yes|no|1|0|"

# name -> (pattern of its value, that in words). "" among the values: it may stand alone.
_OF_ADAPT = {
    "ts_adapt_type": ("none|basic|dsp", "none, basic or dsp"),
    "ts_adapt_safety": (_NUMBER, "a positive number"),
    "ts_adapt_reject_safety": (_NUMBER, "a positive number"),
    "ts_adapt_clip": (rf"{_NUMBER},{_NUMBER}", "two positive numbers with a comma and no blank between them"),
    "ts_adapt_max_ignore": (_NUMBER, "a positive number"),
    "ts_adapt_dt_min": (_NUMBER, "a positive number"),
    "ts_adapt_dt_max": (_NUMBER, "a positive number"),
    "ts_adapt_scale_solve_failed": (_NUMBER, "a positive number"),
    "ts_adapt_time_step_increase_delay": (_COUNT, "a whole number"),
    "ts_adapt_wnormtype": ("2|infinity", "2 or infinity"),
    "ts_adapt_always_accept": (_FLAG, "true, false or nothing"),
    "ts_adapt_dsp_filter": (r"\w+", "the name of a filter"),
    "ts_adapt_dsp_pid": (r"[-+.,\deE]+", "up to three numbers with commas between them"),
    "ts_adapt_monitor": (_FLAG, "true, false or nothing"),
}
_OF_TS = {
    "ts_view": (_ANYTHING_TO_STDOUT, "nothing, ascii or ::ascii_info_detail"),
    "ts_monitor": (_ANYTHING_TO_STDOUT, "nothing or ascii"),
    "ts_monitor_cancel": (_FLAG, "true, false or nothing"),
}
_OF_PETSC = {
    "log_view": (_LOG_TO_STDOUT, "nothing, ascii or :: and a format, such as ::ascii_csv"),
    "log_view_memory": (_FLAG, "true, false or nothing"),
}
ALLOWED = _OF_TS | _OF_ADAPT | _OF_PETSC
# What the config says itself, under names of its own.
_OF_CONFIG = {
    "ts_type": "time.method chooses the method",
    "ts_rk_type": "time.method chooses the method",
    "ts_python_type": "time.method chooses the method",
    "ts_rtol": "time.rtol sets the tolerance",
    "ts_atol": "time.atol sets the tolerance",
    "ts_dt": "time.dt_initial sets the first step",
    "ts_time_step": "time.dt_initial sets the first step",
    "ts_init_time": "time.start sets the first time",
    "ts_max_time": "time.end sets the last time",
}


def parsed(text):
    """The options of a text as a dict, name without dash -> value or "". InputError where a word belongs to no option."""
    found, name = {}, None
    for word in text.split():
        if re.match(r"-+[A-Za-z_]", word):
            name = word[1:]
            found[name] = ""
        elif name is None or found[name]:
            raise InputError(f"petsc.options: {word!r} belongs to no option: they look like -ts_adapt_type none -ts_view.")
        else:
            found[name] = word
    return found


def check_options(options, pairs, method):
    """InputError for options that are not allowed, or that `method` leaves no room for.

    options: the text of ``petsc.options``; pairs: names of the Runge-Kutta pairs, the only methods with PETSc's controller.
    """
    found = parsed(options)
    for name, value in found.items():
        if name in _OF_CONFIG:
            raise InputError(f"petsc.options must not hold -{name}: {_OF_CONFIG[name]}.")
        if name not in ALLOWED:
            raise InputError(_unknown(name))
        pattern, words = ALLOWED[name]
        if not re.fullmatch(pattern, value, re.ASCII):
            raise InputError(
                f"petsc.options: -{name} takes {words}{f', not {value}' if value else ''}"
                f"{'; figures and files are not written by PETSc' if ':' in value else ''}."
            )
        if name in _OF_ADAPT and method not in pairs:
            raise InputError(
                f"petsc.options: -{name} acts on Runge-Kutta pairs alone: choose one of them with time.method "
                f"({', '.join(pairs)}), not {method}."
            )
    controller = found.get("ts_adapt_type", "basic")
    for name in found:
        if name.startswith("ts_adapt_dsp_") and controller != "dsp":
            raise InputError(f"petsc.options: -{name} acts with -ts_adapt_type dsp alone.")
    if "log_view_memory" in found and "log_view" not in found:
        raise InputError("petsc.options: -log_view_memory acts with -log_view alone.")


def _unknown(name):
    near = difflib.get_close_matches(name, ALLOWED, 1)
    guess = f" (did you mean -{near[0]}?)" if near else ""
    return f"petsc.options: -{name} is not allowed{guess}; allowed are {', '.join(f'-{known}' for known in ALLOWED)}."


@contextmanager
def at_hand(table, options, defaults=None):
    """Within, PETSc's `table` (PETSc.Options) holds those of `options` that are an integrator's, under PREFIX.

    defaults: {name: value} of options that a run has unless `options` say otherwise.

    They are taken out again, since another integrator would find them. InputError, on all ranks alike, if the table holds
    something under PREFIX already, which no config has checked.
    """
    strangers = sorted(name for name in table.getAll() if name.startswith(PREFIX))
    if strangers:
        raise InputError(f"PETSc's options hold -{strangers[0]}: options for a run belong into petsc.options of its config.")
    found = (defaults or {}) | parsed(options)
    own = {PREFIX + name: value for name, value in found.items() if name.startswith("ts_")}
    for name, value in own.items():
        table.setValue(name, value or None)
    try:
        yield
    finally:
        for name in own:
            table.delValue(name)


def try_controller(ts, table, options, defaults):
    """InputError for values of the controller's options that PETSc itself does not take, on all ranks alike. Prints nothing.

    ts: the integrator's PETSc.TS, whose controller has them afterwards; table, defaults: as for `at_hand`. Collective.
    """
    words = [
        word
        for name, value in parsed(options).items()
        if name in _OF_ADAPT and name != "ts_adapt_monitor"
        for word in (f"-{name}", value)
        if word
    ]
    if not words:
        return
    with at_hand(table, " ".join(words), defaults):
        try:
            ts.setFromOptions()
        except RuntimeError as error:  # PETSc.Error, with a trace of its functions before the reason
            reason = re.sub(r"^\[\d+\]\s*", "", str(error).strip().splitlines()[-1])
            raise InputError(f"petsc.options: PETSc does not take {' '.join(words)}: {reason.rstrip('.')}.") from None


def give_to_process(PETSc, options):
    """Set those of `options` that act on all of PETSc, where it runs already."""
    table, found = PETSc.Options(), parsed(options)
    for name in found.keys() & _OF_PETSC.keys():
        if name == "log_view" and not table.hasName(name):
            PETSc.Log.begin()  # PETSc has counted nothing so far
        table.setValue(name, found[name] or None)


def of_process(options):
    """Those of `options` that act on all of PETSc, as words: it wants them when it starts."""
    return [word for name, value in parsed(options).items() if name in _OF_PETSC for word in (f"-{name}", value) if word]


@contextmanager
def unseen():
    """Within, the environment has none of VARIABLES: PETSc, which starts here, reads them from it."""
    kept = {name: os.environ.pop(name) for name in VARIABLES if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(kept)


def in_force(table, options):
    """All options of PETSc as one line (str), sorted: what its table holds, and those of a run's integrator."""
    held = {name: value for name, value in table.getAll().items() if f"-{name}" not in AT_START}
    held |= {PREFIX + name: value for name, value in parsed(options).items() if name.startswith("ts_")}
    return " ".join(f"-{name} {value}" if value else f"-{name}" for name, value in sorted(held.items()))


def ignored(table):
    """Sentences (list) about options that were meant for PETSc and do not reach a run, for rank 0 to say."""
    said = []
    for name in VARIABLES:
        value = " ".join(os.environ.get(name, "").split())
        if value:
            said.append(f"{name} is ignored ({value}): options for a run belong into petsc.options of its config, or after --")
    for path in rc_files():
        said.append(f"{path} is ignored: options for a run belong into petsc.options of its config, or after --")
    foreign = sorted(name for name in table.getAll() if name.startswith("ts_"))
    if foreign:
        said.append(f"-{foreign[0]} of this program's own PETSc does not act on the run: petsc.options is the place for it")
    return said


def rc_files():
    """Paths of the files from which PETSc would take options: petscrc and .petscrc here, .petscrc in the home directory."""
    home = os.path.expanduser("~")
    places = [os.path.join(home, ".petscrc"), ".petscrc", "petscrc"]
    found = {}
    for path in places:
        if os.path.isfile(path):
            found.setdefault(os.path.realpath(path), path)
    return list(found.values())
