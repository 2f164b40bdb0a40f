#!/usr/bin/env bash
# Runs the whole test suite, after setting nuflux_mpi up if need be. Arguments are passed on to pytest:
#
#     bash tools/test.sh -k box -x
#
# Five sessions: the serial tests, then those marked `mpi` on 1 rank (without mpirun) and under mpirun on 2, 3 and 4.
# The last line is the sum over the sessions; the exit code is 0 if all is well, and 1 if anything failed, a session did
# not end in an orderly way, or a test marked `mpi` was skipped on every number of ranks.
set -u
exec </dev/null                        # mpirun would forward it, and fails where there is none
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
export OMPI_MCA_rmaps_base_oversubscribe=1      # 4 ranks also on a machine with fewer cores
seconds=${NUFLUX_TEST_SECONDS:-2400}            # per session; pytest-timeout has ended every single test long before

# Decided here, since under mpirun every rank believes to write to a terminal.
if [ -t 1 ]; then color=yes; else color=no; fi
export color
logs=$(mktemp -d "${TMPDIR:-/tmp}/nuflux-tests.XXXXXX")
trap 'echo "test: interrupted; output so far in $logs" >&2; exit 130' INT TERM
# Paths given by the user are theirs; without one pytest needs to be told where the tests are.
cd "$root" || exit 1

# Pytest of one rank. Rank 0 talks to the terminal; what the others print goes to a file each, except for stderr,
# where a failing rank shows its traceback at once.
cat > "$logs/pytest_rank.sh" <<'RANK'
rank=${OMPI_COMM_WORLD_RANK:-${PMI_RANK:-0}}
session=$1
shift
if [ "$rank" != 0 ]; then exec >"$session.rank$rank.log"; fi
exec "$@" --color="$color" -p no:cacheprovider --basetemp="$session.tmp$rank" --junitxml="$session.rank$rank.xml"
RANK

session() {                            # session NAME COMMAND...: one pytest session, its status kept for the summary
    local name=$1 status
    shift
    printf '\n===== %s =====\n' "$name"
    timeout --foreground --kill-after=30 "$seconds" "$@"
    status=$?
    echo "$status" > "$logs/$name.status"
    [ "$status" != 124 ] || echo "test: session $name ended after $seconds seconds" >&2
}

session serial bash "$logs/pytest_rank.sh" "$logs/serial" "$python" -m pytest "$@"
session ranks1 bash "$logs/pytest_rank.sh" "$logs/ranks1" "$python" -m pytest --with-mpi "$@"
for n in 2 3 4; do
    session "ranks$n" mpirun -n "$n" bash "$logs/pytest_rank.sh" "$logs/ranks$n" "$python" -m pytest --with-mpi "$@"
done

printf '\n===== summary =====\n'
"$python" "$root/tools/summarize_tests.py" "$logs"
status=$?
if [ "$status" = 0 ]; then rm -rf "$logs"; else echo "test: the output of each rank is in $logs" >&2; fi
exit "$status"
