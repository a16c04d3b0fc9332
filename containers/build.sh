#!/bin/sh
# Builds the image, with docker, podman or buildah: `make image`, from anywhere.
#   ENGINE=podman   which of them, where there are several
#   TAG=NAME        its name (default: bgpvs-wf)
#   BASE=NAME       the Debian 12 below it (default: that of the Dockerfile, from a registry);
#                   BASE=bootstrap makes one of Debian's packages, by mmdebstrap, without a registry
# A folder `wheels` at the root of the repository is installed from, instead of a package index.
set -eu
cd "$(dirname "$0")/.."
tag=${TAG:-bgpvs-wf}
base=${BASE:-}
engine=${ENGINE:-}

for one in docker podman buildah; do
    [ -n "$engine" ] || ! "$one" info >/dev/null 2>&1 || engine=$one
done
[ -n "$engine" ] || { echo "No docker, podman or buildah that answers; install one." >&2; exit 1; }

# The same files for the same commit: the time of the commit on all of them.
case $engine in
    *docker) set -- ;;
    *) set -- --timestamp "$(git log -1 --format=%ct 2>/dev/null || echo 0)" ;;
esac

if [ "$base" = bootstrap ]; then
    command -v mmdebstrap >/dev/null || { echo "mmdebstrap is missing; apt install it." >&2; exit 1; }
    if [ ! -s build/base/debian.tar ]; then
        mkdir -p build/base
        mmdebstrap --variant=minbase --dpkgopt='path-exclude=/usr/share/man/*' \
            --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
            --dpkgopt='path-include=/usr/share/doc/*/copyright' bookworm build/base/debian.part.tar
        mv build/base/debian.part.tar build/base/debian.tar
    fi
    base=localhost/debian:bootstrapped
    printf 'FROM scratch\nADD debian.tar /\n' >build/base/Dockerfile
    "$engine" build "$@" -t "$base" -f build/base/Dockerfile build/base
fi
[ -z "$base" ] || set -- "$@" --build-arg "BASE=$base"
for name in PIP_INDEX_URL PIP_EXTRA_INDEX_URL; do
    eval "[ -z \"\${$name:-}\" ]" || set -- "$@" --build-arg "$name"
done
"$engine" build "$@" -t "$tag" -f containers/Dockerfile .
