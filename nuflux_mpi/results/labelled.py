"""Results as arrays with named dimensions and coordinates, by xarray."""

from ..errors import EnvironmentProblem, InputError
from ..runtime.remedies import install_hint
from .names import LAYOUT, OF_MODES, dimensions, space_of


def dataset(run, part, units):
    """See `BaseRun.to_xarray`."""
    try:
        import xarray
    except ImportError:
        raise EnvironmentProblem(f"to_xarray needs xarray: {install_hint('xarray')}") from None
    if part not in ("series", "fields"):
        raise InputError(f'to_xarray has the parts "series" and "fields", not "{part}".')
    arrays = getattr(run, part)
    if part == "fields" and not len(arrays):
        arrays["time"]  # says where the fields are
    variables, space = {}, space_of(arrays)
    for name in arrays:
        values, unit = run.in_units(name, units, part)
        variables[name] = dimensions(name, space), values, {"units": unit, "long_name": LAYOUT[name][2]}
    on_axes = [name for name in OF_MODES if name in variables]
    return xarray.Dataset(variables, attrs=dict(run.attrs)).set_coords(on_axes)
