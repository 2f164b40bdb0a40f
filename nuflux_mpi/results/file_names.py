"""Files of a run directory that others than their writers must know. Nothing is imported here: the command line needs it."""

LOG = "run.log"
STOP = "STOP"
FIGURES = (
    "energy",
    "flavors",
    "spectra",
    "spectrum",
    "angular",
    "maps",
    "distribution",
    "energy_gained",
)  # that a run draws by itself
XDMF_FILES = ("fields.xmf", "fields.grid.h5")
FIGURE_FILES = tuple(f"{name}.png" for name in FIGURES)
