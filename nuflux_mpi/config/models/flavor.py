"""[flavor]: how many flavors there are."""

from typing import Annotated, Literal

from ...storage.section import Key, Section


class Flavor(Section):
    number: Annotated[Literal[2, 3], Key("number of flavors: 2 for nu_e and nu_x, 3 for nu_e, nu_mu and nu_tau")] = 2
