"""[output] and [run]: what is written how often, and how patient a run is."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from ...storage.section import Key, Section
from ...units import scale_of
from ..cadence import snapshots

INTERVALS = 200  # between rows of the series, where the config does not say


class Output(Section):
    series_every: Annotated[
        float | None,
        Key("time between rows of series.h5", quantity="time", gt=0, unset=f"1/{INTERVALS} of the run's duration", free=True),
    ] = None
    fields_every: Annotated[
        float | None,
        Key(
            "time between snapshots in fields.h5 []; 0: only start and end",
            quantity="time",
            ge=0,
            unset="1/200 of the run's duration, less often (to 1/20) where fields.h5 would exceed 100 MB",
            free=True,
        ),
    ] = None
    phase_space_every: Annotated[
        float, Key("time between snapshots of f in phase_space.h5 []; 0: only start and end", quantity="time", ge=0, free=True)
    ] = 0.0
    spectrum_every: Annotated[
        float | None,
        Key("time between power spectra in series.h5 []; 0: none", quantity="time", ge=0, unset="series_every", free=True),
    ] = None
    checkpoint_every: Annotated[
        float,
        Key(
            "wall time between checkpoints []; 0: only at the start, and when the run ends or stops",
            quantity="wall time",
            ge=0,
            free=True,
        ),
    ] = 600.0
    figures: Annotated[bool, Key("draw the figures when the run is done", free=True)] = True
    units: Annotated[
        Literal["code", "cgs", "natural"],
        Key("units of the axes of figures; other than code need [units]; files always have code units", free=True),
    ] = "code"
    log_every: Annotated[float, Key("wall time between progress lines", quantity="wall time", gt=0, free=True)] = 10.0

    def completed(self, config: Any) -> Self:
        duration, box = config.time.duration, config.box
        series = duration / INTERVALS if self.series_every is None else self.series_every
        fields = self.fields_every
        if fields is None:
            fields = duration / snapshots(box.shape, config.modes.count_in(config), config.equations.level)
        spectra = series if self.spectrum_every is None else self.spectrum_every
        return self.replace(series_every=series, fields_every=fields, spectrum_every=spectra)

    def problems(self, config: Any) -> Iterator[str]:
        if self.units != "code" and scale_of(config) is None:
            yield f'output.units = "{self.units}" needs to know what mu is in eV: give units.density, such as "1e33 /cm^3".'


class Run(Section):
    timeout: Annotated[
        float,
        Key(
            "wall time without progress after which the run gives up, since a node or the network is lost []; 0: never",
            quantity="wall time",
            ge=0,
            free=True,
        ),
    ] = 0.0
