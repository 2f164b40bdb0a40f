"""Published problems with known answers: how each is set up, what was printed elsewhere, and what this code gives.

    for row in published.PROBLEMS["multi_angle"].rows(comm):
        print(row.quantity, row.expected, row.ours, row.passed)

`rows` is collective and gives the same rows on every rank; tools/validate.py prints them as tables. Sources:

- paper: Fiorillo, Raffelt, Sigl, PRL 133, 021002 (2024)
- NuGas: github.com/NuCO-UNM/nugas, commit 884d44e, and its notebook of stationary waves; COSEnu:
  github.com/COSEnu/COSEnu, commit 090456d, its code-comparison branch fowdr/COSEnu
- code comparison: Richers et al., PRD 106, 043011 (2022); one-sided depolarization: arXiv:2304.05044, 2307.11129; equal
  numbers: Wu et al., arXiv:2108.09886
- stationary waves: Duan, Martin, Omanakuttan, arXiv:2110.02286
- pendulum: Padilla-Gay, Tamborra, Raffelt, PRL 128, 121102 (2022)
- Emu: github.com/AMReX-Astro/Emu, its tests of MSW and of two beams
"""

from .angular import (  # noqa: F401
    LinearPhase,
    angular_growth,
    code_comparison,
    coherence,
    equal_numbers,
    late_survival,
    multi_angle,
    one_sided,
    peaked,
)
from .fiducial import code_comparison_three_flavors, fiducial_three_flavors
from .inhomogeneous import matter_profile, real_gas
from .known_states import fast_pendulum, homogeneous, stationary_wave  # noqa: F401
from .merger import merger, merger_3d
from .mixing import bipolar, msw, slow_two_beams, synchronized, vacuum_three_flavors
from .problem import Problem, Row, one_wave  # noqa: F401
from .two_beams import GOLDEN_RATIO, SEED, exact_single_wave, figure_1, golden_ratio, two_beam_growth  # noqa: F401

PROBLEMS = {
    "two_beam_growth": Problem("Growth of two beams", "paper, Eqs. 9-11", two_beam_growth),
    "single_wave": Problem("One wave: closed nonlinear solution", "existence: arXiv:2601.15372", exact_single_wave),
    "golden_ratio": Problem("Two beams, a start that every code can repeat", "NuGas, commit 884d44e", golden_ratio),
    "two_beam": Problem("The paper's example", "paper, Fig. 1", figure_1, quick=False),
    "angular_growth": Problem(
        "Dispersion relations of angular distributions", "fowdr/COSEnu; PRD 99, 063005; closed integrals", angular_growth
    ),
    "multi_angle": Problem("A multi-angle gas", "NuGas, commit 884d44e; COSEnu, commit 090456d", multi_angle),
    "code_comparison": Problem(
        "The code-comparison problem", "PRD 106, 043011; arXiv:2304.05044", code_comparison, quick=False
    ),
    "equal_numbers": Problem("Code comparison with alpha = 1", "arXiv:2108.09886", equal_numbers, quick=False),
    "stationary_wave": Problem("Stationary wave", "arXiv:2110.02286; notebook of NuGas", stationary_wave),
    "fast_pendulum": Problem("Fast flavor pendulum, homogeneous gas", "PRL 128, 121102", fast_pendulum),
    "msw": Problem("MSW resonance", "Emu, its test of MSW", msw),
    "vacuum_three_flavors": Problem("Three flavors in vacuum, with CP violation", "closed form", vacuum_three_flavors),
    "bipolar": Problem("Bipolar pendulum", "NuGas; elliptic functions", bipolar),
    "synchronized": Problem("Synchronized oscillations of four energies", "PRD 65, 053011", synchronized),
    "matter_profile": Problem("Two beams through matter of varying density", "two other solvers", matter_profile),
    "real_gas": Problem("Three flavors, masses, matter, both species, two energies", "two other solvers", real_gas),
    "fiducial_three_flavors": Problem(
        "Emu's fiducial instability, three flavors",
        "closed integrals; Emu, PRD 103, 083013",
        fiducial_three_flavors,
        quick=False,
    ),
    "merger": Problem(
        "A point of a neutron-star merger, from its moments", "Emu; Phys. Lett. B 846, 138210", merger, quick=False
    ),
    "merger_3d": Problem("The same in three dimensions", "Emu; Phys. Lett. B 846, 138210", merger_3d, quick=False),
    "code_comparison_three_flavors": Problem(
        "Code comparison with three flavors, both species apart", "PRD 106, 043011", code_comparison_three_flavors, quick=False
    ),
    "slow_two_beams": Problem(
        "Two beams that grow by their masses", "Emu, its test at k = 0; JCAP 03 (2016) 042", slow_two_beams
    ),
}
