# shellcheck shell=bash
# What the scripts have in common. Source it: the working folder is then the project's.

set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
if [ -n "${VMREP_DATA_DIR:-}" ]; then
    # The caller means it relative to the caller's folder.
    VMREP_DATA_DIR=$(realpath -m -- "$VMREP_DATA_DIR")
    export VMREP_DATA_DIR
fi
cd "$root"

say() {
    printf '%s\n' "$*"
}

# Print one clear line about what went wrong and what to do, and exit.
fail() {
    printf 'script/%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# quietly WHAT COMMAND…: runs a command whose output only matters when it fails.
# It does not inherit descriptor 9, bootstrap's lock: a service that apt starts would keep it.
quietly() {
    local what=$1 output status=0
    shift
    output=$("$@" 2>&1 </dev/null 9<&-) || status=$?
    if [ "$status" -ne 0 ]; then
        printf '%s\n' "$output" >&2
        fail "$what failed (exit code $status); its output is above"
    fi
}
