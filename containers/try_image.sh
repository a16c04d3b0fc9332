#!/bin/sh
# Runs an image as nobody in particular, root read-only, without network, on the dataset that
# `bgpvs-wf run --demo DEMO` made, and compares with what came out of it there:
#   containers/try_image.sh DEMO [IMAGE]
# PYTHON has nibabel and pandas; ENGINE is docker or podman, RUN_OPTIONS are more of its options.
set -eu
demo=$(cd "$1" && pwd)
image=${2:-bgpvs-wf}
engine=${ENGINE:-docker}
made=$(mktemp -d)
mkdir "$made/out" "$made/work"
chmod -R 777 "$made"

call() {
    # shellcheck disable=SC2086
    "$engine" run --rm --user 12345:12345 --network none --read-only --tmpfs /tmp ${RUN_OPTIONS:-} \
        -v "$demo/bids:/bids:ro" -v "$made/out:/out" -v "$made/work:/work" "$image" "$@"
}

call --version
call -h >/dev/null
status=0
call /bids /nowhere participant 2>/dev/null || status=$?
[ "$status" = 2 ] || { echo "Exit status $status, not 2, where nothing can be written." >&2; exit 1; }
call /bids /out participant -w /work ${RUN_ARGUMENTS:-}
call /bids /out group -w /work
"${PYTHON:-python3}" "$(dirname "$0")/same_results.py" "$demo/out" "$made/out"
echo "Results are in $made"
