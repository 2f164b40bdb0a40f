"""Long runs of the suites whose short versions are tests, each by one command:

    python tests/torture faults --faults 66 --seed 1     faults injected into runs under mpirun
    python tests/torture files --flips 2000 --cuts 200   damage to the files of runs
    python tests/torture configs --examples 1000         mangled configs and command lines
    python tests/torture resume --runs 200               a checkpoint after every step, and each of them resumed

NAME --help tells the options of one. The package is that of this checkout.
"""

import runpy
import sys
from pathlib import Path

SUITES = {"faults": "strike", "files": "damaged_files", "configs": "mangled_configs", "resume": "resume_everywhere"}

if __name__ == "__main__":
    tests = Path(__file__).resolve().parents[1]
    sys.path[1:1] = [str(tests.parent), str(tests)]
    if not sys.argv[1:] or sys.argv[1] not in SUITES:
        print(__doc__.strip())
        sys.exit(0 if sys.argv[1:] in (["-h"], ["--help"]) else 2)
    name = sys.argv.pop(1)
    sys.argv[0] = f"tests/torture {name}"
    runpy.run_module(SUITES[name], run_name="__main__", alter_sys=True)
