"""The program's units in the laboratory's: against constants of their own, a table from another code, and what docs show."""

import math
from pathlib import Path

import pytest

from nuflux_mpi import units
from nuflux_mpi.errors import InputError

DOCS = Path(__file__).parent.parent / "docs"
SCALE = units.Scale.of_density(1e33)


def test_mu_from_si_constants():
    """sqrt(2) G_F n with G_F in J m^3, hbar and c in SI, which the module does not use."""
    hbar, c, e = 1.054571817e-34, 299792458.0, 1.602176634e-19
    fermi = 1.1663787e-5 / (1e9 * e) ** 2 * (hbar * c) ** 3  # J m^3
    for n in (1e25, 1e32, 3e35):
        energy = math.sqrt(2) * fermi * n * 1e6  # J
        # 2e-9: the digits of hbar, to the third power
        assert units.potential(n) == pytest.approx(energy / e, rel=2e-9)
        assert units.length(n) == pytest.approx(100 * hbar * c / energy, rel=2e-9)
        assert units.time(n) == pytest.approx(1e9 * hbar / energy, rel=2e-9)


# Printed numbers, each with what it must be. A last digit is taken to be right within one.
PRINTED = {
    "mu [eV]": ("1.2674008e-4", SCALE.mu),
    "mu [1/cm]": ("6.4228461", 1 / SCALE.length),
    "mu [1/s]": ("1.9255208e11", 1 / SCALE.time),
    "1/mu [cm]": ("0.15569422", SCALE.length),
    "hbar c [eV cm]": ("1.973269804e-5", units.HBAR_C),
    "omega [1/cm]": ("0.025338654", SCALE.omega(1.0, 1.0) / SCALE.length),
    "omega [1/km]": ("2533.8654", SCALE.omega(1.0, 1.0) / SCALE.length * 1e5),
    "lambda [eV]": ("7.6324662e-14", SCALE.matter(1.0) * SCALE.mu),
    "lambda [1/cm]": ("3.8679284e-9", SCALE.matter(1.0) / SCALE.length),
    "lambda with m_p [eV]": ("7.5773300e-14", SCALE.electrons(1 / units.PROTON) * SCALE.mu),
    "lambda with m_p [1/cm]": ("3.8399868e-9", SCALE.electrons(1 / units.PROTON) / SCALE.length),
    "solar [eV]": ("3.7050e-12", SCALE.omega(7.41e-5, 10.0) * SCALE.mu),
    "solar [1/cm]": ("1.87759e-7", SCALE.omega(7.41e-5, 10.0) / SCALE.length),
    "solar [mu]": ("2.92330e-8", SCALE.omega(7.41e-5, 10.0)),
    "atmospheric [eV]": ("1.25550e-10", SCALE.omega(2.511e-3, 10.0) * SCALE.mu),
    "atmospheric [1/cm]": ("6.36254e-6", SCALE.omega(2.511e-3, 10.0) / SCALE.length),
    "atmospheric [mu]": ("9.90610e-7", SCALE.omega(2.511e-3, 10.0)),
    "dense matter [eV]": ("7.63247e-4", SCALE.matter(1e10) * SCALE.mu),
    "dense matter [1/cm]": ("38.6793", SCALE.matter(1e10) / SCALE.length),
    "dense matter [mu]": ("6.02214", SCALE.matter(1e10)),
}


@pytest.mark.parametrize("name", PRINTED)
def test_a_table_made_elsewhere(name):
    printed, ours = PRINTED[name]
    mantissa, _, power = printed.partition("e")
    digit = 10.0 ** (int(power or 0) - len(mantissa.partition(".")[2]))
    assert abs(ours - float(printed)) <= digit


def test_resonance_of_another_code():
    """The MSW test of Emu: energy and density at which theta = 33.82 deg becomes maximal over a length of .5 cm in vacuum."""
    dm2, theta, rho_Ye = 7.39e-5, math.radians(33.82), 1346160134.709
    assert units.quantity("33.82 deg", "angle", None, "vacuum.theta") == pytest.approx(theta, rel=1e-15)  # an ulp
    energy = 0.13780725e-6  # MeV
    omega = SCALE.omega(dm2, energy) / SCALE.length
    matter = SCALE.electrons(rho_Ye / units.PROTON) / SCALE.length
    assert omega == pytest.approx(13.588012, rel=4e-8)  # the digits of omega and of the energy
    assert matter == pytest.approx(5.1692372, rel=2e-8)  # its digits
    assert matter == pytest.approx(omega * math.cos(2 * theta), rel=4e-6)  # Emu's constants are 3e-6 from these


QUANTITIES = [
    ("100 km", "length", 1e7 / SCALE.length),
    ("3 ns", "time", 3e-9 / SCALE.time),
    ("10 MeV", "energy", 1e7 / SCALE.mu),
    ("10 MeV/c", "energy", 1e7 / SCALE.mu),
    ("1.602176634e-12 erg", "energy", 1 / SCALE.mu),
    ("2 /cm", "wave number", 2 * SCALE.length),
    ("2 1/cm", "wave number", 2 * SCALE.length),
    ("6 1/s", "frequency", 6 * SCALE.time),
    ("-1e-4 eV", "frequency", -1e-4 / SCALE.mu),
    ("1e10 g/cm^3", "potential", SCALE.matter(1e10)),
    ("1e10 g cm^-3", "potential", SCALE.matter(1e10)),
    ("2e33 /cm^3", "potential", 2.0),
    ("2e33 / cm ** 3", "density", 2.0),
    ("2e39 m^-3", "density", 2.0),
    ("7.5e-5 eV^2", "mass squared", 7.5e-5 / SCALE.mu**2),
    ("7.5e-5eV²/c^4", "mass squared", 7.5e-5 / SCALE.mu**2),
    ("29979.2458 km/s", "velocity", 0.1),
    ("0.1 c", "velocity", 0.1),
    ("180 °", "angle", math.pi),
    ("10 min", "wall time", 600.0),
]


@pytest.mark.parametrize("text, kind, expected", QUANTITIES, ids=[text for text, *_ in QUANTITIES])
def test_quantities(text, kind, expected):
    assert units.quantity(text, kind, SCALE, "key") == pytest.approx(expected, rel=1e-14)  # some roundings


WRONG = [
    ("10 km", "energy", ""), ("10 mev", "energy", "there is no unit mev"), ("10", "energy", ""), ("MeV", "energy", ""), ("", "energy", ""),
    ("1e400 MeV", "energy", ""), ("10 MeV^9^9^9^9", "energy", ""), ("10 m^99", "length", ""), ("9" * 999 + " m", "length", ""),
    ("3 %", "angle", ""), ("5 count", "angle", ""), ("0.3", "angle", ""), ("10 MeV/", "energy", ""), ("3 degC", "energy", ""),
    ("1e10 g/cm^3", "density", ""), ("3 km", "time", ""),
]  # fmt: skip


@pytest.mark.parametrize("text, kind, more", WRONG, ids=[text[:20] for text, *_ in WRONG])
def test_what_is_no_such_quantity_is_refused(text, kind, more):
    known = units.QUANTITIES[kind]
    with pytest.raises(InputError) as error:
        units.quantity(text, kind, SCALE, "section.key")
    said = str(error.value)
    assert said.startswith(
        f'section.key must be {known.noun}, such as "{known.example}", or a number in units of {known.unit}, not'
    )
    assert more in said and len(said) < 300


def test_without_a_scale():
    assert units.quantity("180 deg", "angle", None, "key") == pytest.approx(math.pi, rel=1e-15)
    with pytest.raises(InputError, match=r'modes.energy = "10 MeV" needs to know .* \[units\]'):
        units.quantity("10 MeV", "energy", None, "modes.energy")


def test_what_gives_the_scale():
    assert units.scale_of({}) is None and units.scale_of({"units": {"given": {}}}) is None
    by_density, by_mu = units.scale_of({"units": {"density": "1e33 /cm^3"}}), units.scale_of({"units": {"mu": "1e-4 eV"}})
    assert by_density.density == 1e33 and by_mu.mu == 1e-4
    assert by_mu.density == pytest.approx(1e-4 / units.potential(1.0), rel=1e-15)
    for section, said in [
        ({"density": 1e33}, "units.density must have a unit"),
        ({"density": "-1 /cm^3"}, "units.density must be > 0"),
        ({"density": "1e33 /cm^2"}, "units.density must be a density of neutrinos, such as"),
        ({"mu": "3 cm"}, "units.mu must be an energy, such as"),
        ({"mu": "1 eV", "density": "1 /cm^3"}, "give one of them"),
    ]:
        with pytest.raises(InputError, match=said):
            units.scale_of({"units": section})


def test_the_table_of_the_docs_is_that_of_the_code():
    assert units.table() in (DOCS / "conventions.md").read_text(encoding="utf-8")
