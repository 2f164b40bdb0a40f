#!/usr/bin/env bash
# Makes .venv with everything nuflux_mpi needs. Called by run.sh and test.sh; may be called any number of times, also
# several at once.
#
# The compiled packages (Open MPI, PETSc, parallel HDF5, mpi4py-fft) come from Debian or Ubuntu, the rest from PyPI.
# With NUFLUX_PYTHON=/path/to/python nothing is installed: that Python (conda, modules, ...) is only checked.
set -eu

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=$root/.venv
debian_packages="openmpi-bin python3-venv python3-petsc4py python3-petsc4py-real python3-mpi4py
                 python3-h5py python3-h5py-mpi python3-mpi4py-fft"
debian_modules="mpi4py mpi4py-fft h5py petsc4py"      # what pip must not replace

fail() {
    printf 'setup: %s\n' "$@" >&2
    exit 1
}

if [ -n "${NUFLUX_PYTHON:-}" ]; then
    # A complete Python is left as it is; an incomplete one is told what it lacks.
    PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH} "$NUFLUX_PYTHON" - <<'PYTHON' || exit 1
import sys
if sys.version_info < (3, 11):
    sys.exit(f"setup: NUFLUX_PYTHON is Python {sys.version.split()[0]}; nuflux_mpi needs 3.11 or newer")
from nuflux_mpi.runtime import environment
missing = environment.missing_packages()
if missing:
    sys.exit(f"setup: NUFLUX_PYTHON={sys.executable} lacks {', '.join(missing)}: see docs/install.md, or unset it")
PYTHON
    exit 0
fi

# The stamp names everything the result depends on, the place of the checkout included: .venv points there.
stamp=$({ printf '%s\n' "$root"; cat "$root/tools/setup.sh" "$root/pyproject.toml"; } | sha256sum)
is_complete() { [ -x "$venv/bin/python" ] && [ "$(cat "$venv/nuflux-setup" 2>/dev/null)" = "$stamp" ]; }
is_complete && exit 0

[ ! -L "$venv" ] || fail "$venv is a link to $(readlink "$venv"), which another checkout may run from." \
    "Remove the link, or use that Python as it is: NUFLUX_PYTHON=$venv/bin/python."

mkdir -p "$venv"
exec 9>"$venv/setup.lock"
flock -n 9 || { echo "setup: waiting for another setup of this checkout to end"; flock 9; }
is_complete && exit 0

# --- Debian packages -------------------------------------------------------------------------------------------------
command -v apt-get >/dev/null || fail \
    "this machine has no apt-get, so the Debian recipe does not apply." \
    "Install the packages as docs/install.md says (conda-forge, or modules and pip)," \
    "then set NUFLUX_PYTHON=/path/to/python."

missing=""
for package in $debian_packages; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q ' installed$' || missing="$missing $package"
done
if [ -n "$missing" ]; then
    if [ "$(id -u)" = 0 ]; then
        as_root="env"
    elif command -v sudo >/dev/null; then
        as_root="sudo env"
    else
        fail "these Debian packages are missing, and this user is neither root nor has sudo:$missing" \
             "Ask an administrator for: apt-get install$missing" \
             "or use conda (docs/install.md) and set NUFLUX_PYTHON=/path/to/python."
    fi
    echo "setup: installing$missing"
    $as_root DEBIAN_FRONTEND=noninteractive apt-get update -q 9>&-
    # shellcheck disable=SC2086  # the list is meant to be split
    $as_root DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing 9>&- ||
        fail "apt-get could not install:$missing"
fi

# --- .venv -----------------------------------------------------------------------------------------------------------
# Debian's own Python: a python3 from pyenv or conda that comes first on PATH does not see Debian's packages.
/usr/bin/python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "/usr/bin/python3 is older than 3.11: use Debian 12, Ubuntu 24.04 or newer, or conda (docs/install.md)."
# A .venv that works is only completed: making it again would for some seconds hide Debian's packages from running jobs.
if "$venv/bin/python" -c 'import pip, mpi4py' 2>/dev/null; then
    echo "setup: completing $venv"
else
    echo "setup: making $venv"
    /usr/bin/python3 -m venv --system-site-packages "$venv"
fi

# Debian's petsc4py is compiled for one major version of numpy, so pip must stay within it.
requirements=$(/usr/bin/python3 - "$root/pyproject.toml" $debian_modules <<'PYTHON'
import re, sys, tomllib
import numpy
with open(sys.argv[1], "rb") as file:
    project = tomllib.load(file)["project"]
wanted = [*project["dependencies"], *(name for extra in project["optional-dependencies"].values() for name in extra)]
print(*(item for item in wanted if re.match(r"[\w-]+", item)[0] not in sys.argv[2:]))
print(f"numpy<{int(numpy.__version__.split('.')[0]) + 1}")
PYTHON
)
pip() { "$venv/bin/python" -m pip --disable-pip-version-check install --quiet "$@" 9>&-; }
# shellcheck disable=SC2086
pip "setuptools>=77,<81" wheel $requirements || fail "pip could not install the Python packages (see above); is PyPI reachable?"
# compat: a path in a .pth file. Setuptools' own way finds the package last, so that a directory called nuflux_mpi in the
# working directory, such as the one above this checkout's name, would hide it.
pip --no-deps --no-build-isolation --config-settings editable_mode=compat --editable "$root" || fail "pip could not install nuflux_mpi itself (see above)."

printf '%s\n' "$stamp" > "$venv/nuflux-setup"
echo "setup: done"
