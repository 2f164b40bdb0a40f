#!/usr/bin/env bash
# Tests as they would run on other processors: the same tests under each of several settings of NumPy, the C library, numba
# and OpenBLAS. Arguments go to pytest; without any, the tests that compute are run.
#
#     bash tools/processors.sh                            serial tests, then those marked mpi on 2 ranks, seven times
#     bash tools/processors.sh tests/physics/test_initial.py
#     NUFLUX_SETTINGS="default avx2" bash tools/processors.sh tests/box/test_box.py
#
# One line for each setting and session; the exit code is 1 if anything failed. Outputs are in a new directory below TMPDIR.
set -u
exec </dev/null
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
export OMPI_MCA_rmaps_base_oversubscribe=1 OMP_NUM_THREADS=1
cd "$root" || exit 1
python=${NUFLUX_PYTHON:-${python:-python}}
logs=$(mktemp -d "${TMPDIR:-/tmp}/nuflux-processors.XXXXXX")
[ $# -gt 0 ] || set -- tests/{box,kernels,theory,time,physics,laws} tests/test_units
tests=(); for name; do [ -e "$name.py" ] && name=$name.py; tests+=("$name"); done

# NumPy refuses names of features that this processor has not.
features() { "$python" - "$@" <<'PY'
import sys
try:
    from numpy._core._multiarray_umath import __cpu_baseline__ as always, __cpu_features__ as known
except ImportError:
    from numpy.core._multiarray_umath import __cpu_baseline__ as always, __cpu_features__ as known
print(" ".join(f for f, there in known.items() if there and f not in always and f.startswith(tuple(sys.argv[1:]))))
PY
}

under() {                              # under SETTING COMMAND...: the command as on that processor
    local setting=$1; shift
    case $setting in
        default) "$@" ;;
        avx2) NPY_DISABLE_CPU_FEATURES=$(features AVX512) "$@" ;;
        sse) NPY_DISABLE_CPU_FEATURES=$(features AVX512 AVX2 FMA3 AVX F16C) "$@" ;;
        libc) GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX2,-FMA,-AVX512F,-AVX2_Usable,-FMA_Usable "$@" ;;
        numba) NUMBA_CPU_NAME=generic NUMBA_CPU_FEATURES= NUMBA_CACHE_DIR=$logs/numba "$@" ;;
        blas) OPENBLAS_CORETYPE=Nehalem "$@" ;;
        all) NPY_DISABLE_CPU_FEATURES=$(features AVX512 AVX2 FMA3 AVX F16C) NUMBA_CPU_NAME=generic NUMBA_CPU_FEATURES= \
             GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX2,-FMA,-AVX512F,-AVX2_Usable,-FMA_Usable NUMBA_CACHE_DIR=$logs/numba \
             OPENBLAS_CORETYPE=Nehalem "$@" ;;
        *) echo "processors: no setting $setting" >&2; return 2 ;;
    esac
}

failed=0
for setting in ${NUFLUX_SETTINGS:-default avx2 sse libc numba blas all}; do
    for session in serial ranks; do
        command=("$python" -m pytest -q -p no:cacheprovider "${tests[@]}")
        [ $session = serial ] || command=(mpirun -n 2 "${command[@]}" --with-mpi)
        under "$setting" "${command[@]}" >"$logs/$setting.$session" 2>&1
        status=$?
        [ $status = 0 ] || [ $status = 5 ] || failed=1              # 5: these files have no test for this session
        printf '%-8s %-7s %s\n' "$setting" $session "$(grep -aE '[0-9]+ (passed|failed|deselected|error)' "$logs/$setting.$session" | tail -1)"
    done
done
echo "outputs in $logs"
exit $failed
