"""[units]: what the units of the program are in the laboratory's."""

from typing import Annotated, Any

from ...storage.section import Key, Section


class Units(Section):
    density: Annotated[
        str | None,
        Key(
            'density n with its unit, such as "1e33 /cm^3": sets mu = sqrt(2) G_F n', unset="mu says it, if anything", free=True
        ),
    ] = None
    mu: Annotated[
        str | None,
        Key('in place of density: mu with its unit, such as "1e-4 eV"', unset="density says it, if anything", free=True),
    ] = None
    given: Annotated[
        dict[str, Any] | None,
        Key(
            "what other keys were before they became numbers in these units; written by the program",
            unset="no key was given with a unit",
            free=True,
        ),
    ] = None
