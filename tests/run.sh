#!/usr/bin/env bash
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# tests/run.sh check   what a developer runs before each commit: formatting, lint, types, unit tests
# tests/run.sh test    everything that CI runs
# tests/run.sh matrix  every kind of machine; writes docs/matrix.md
# tests/run.sh life    every verb on one machine, every kind of erase on another
# tests/run.sh PART    one part: see PARTS below
#
# BMC_TREES            a folder of recorded Redfish trees that the unit tests play, too; by default
#                      ../shared/bmc-trees, if that is there
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH=$PWD/.venv/bin:$PATH ANSIBLE_COLLECTIONS_PATH=$PWD/.collections
unset ANSIBLE_CONFIG

CHECK="ruff types unit"
TEST="$CHECK lint sanity artifact integration molecule e2e"
PARTS="$TEST matrix life"

cores=$(nproc)

# What e2e deploys takes minutes to build, on one core: begun first, waited for where it is needed.
begin_build() {
    make setup
    mkdir -p .cache
    setsid make ramdisk image > .cache/build.log 2>&1 &
    build=$!
    trap '[ -z "$(jobs -pr)" ] || kill -- "-$build"' EXIT
}

await_build() {
    [ -z "$build" ] || wait "$build" || { cat .cache/build.log; return 1; }
}

# Recorded BMCs are not part of the project: what is played is said, so that nobody takes some for all.
find_trees() {
    trees=${BMC_TREES:-../shared/bmc-trees}
    if [ -d "$trees" ]; then
        echo "BMC trees: those written by hand (tests/bmcs), and the recorded ones of $trees"
    elif [ -n "${BMC_TREES:-}" ]; then
        echo "BMC trees: BMC_TREES=$BMC_TREES is no folder" >&2
        return 1
    else
        trees=""
        echo "BMC trees: ONLY THOSE WRITTEN BY HAND (tests/bmcs), NONE RECORDED: no BMC_TREES, no ../shared/bmc-trees"
    fi
}

part_ruff() { ruff format --check . && ruff check .; }
part_types() { mypy; }
# Unit tests wait most of their time, integration tests some of it.
part_unit() {
    find_trees && pytest -q -n $((cores * 3)) --dist worksteal ${trees:+--bmc-trees "$trees"} tests/unit
}
part_lint() { ansible-lint --profile production --offline; }
part_sanity() { tests/sanity/run.sh; }
part_artifact() { pytest -q tests/artifact; }
part_integration() { pytest -q -n $((cores * 3 / 2)) --dist worksteal tests/integration; }
part_molecule() { molecule test; }
part_e2e() { await_build && pytest -v -x --durations=0 tests/e2e; }
part_life() { pytest -v -x --durations=0 tests/life; }
part_matrix() { pytest -v --durations=0 tests/matrix; }

run() {
    local part=$1 start=$SECONDS
    printf '\n=== %s ===\n' "$part"
    "part_$part" || { printf '\n=== %s FAILED after %d s ===\n' "$part" $((SECONDS - start)); exit 1; }
    times+="$(printf '%-12s %5d s' "$part" $((SECONDS - start)))"$'\n'
}

times="" build="" trees=""
case ${1:-} in
    check) wanted=$CHECK ;;
    test) wanted=$TEST; begin_build ;;
    *) wanted=${1:-none} ;;
esac
for part in $wanted; do
    case " $PARTS " in
        *" $part "*) run "$part" ;;
        *) echo "usage: tests/run.sh check|test|$(echo "$PARTS" | tr ' ' '|')" >&2; exit 2 ;;
    esac
done
printf '\n=== all passed ===\n%s' "$times"
