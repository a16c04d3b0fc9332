#!/bin/sh
# Installs bgpvs-wf into a Debian 12, as root, and leaves nothing behind that it does not need to run:
# what the Dockerfile and apptainer.def do, said once. `install.sh SOURCE`, the repository.
set -eu
source=$1
home=/opt/bgpvs-wf
export DEBIAN_FRONTEND=noninteractive

apt-get update -q
apt-get install -qy --no-install-recommends python3 python3-venv

# A copy, since the build writes into it; tests, docs and what else lies about stay outside.
copy=$(mktemp -d)
for part in setup.cfg pyproject.toml README.md LICENSE bgpvs_wf data interfaces workflows; do
    cp -R "$source/$part" "$copy"
done
python3 -m venv "$home"
set -- --no-cache-dir --no-compile --prefer-binary --constraint "$source/containers/constraints.txt"
if [ -d "$source/wheels" ]; then
    set -- "$@" --no-index --find-links "$source/wheels"
fi
"$home/bin/pip" install "$@" "$copy"
"$home/bin/pip" uninstall -qy pip
rm -rf "$copy" "$home"/bin/pip* "$home"/bin/[Aa]ctivate*

# No compiler is here for headers; nobody tests the libraries here.
packages=$(echo "$home"/lib/python3*/site-packages)
rm -rf "$packages/torch/include" "$packages/torch/share"
find "$packages/torch/bin" -mindepth 1 ! -name torch_shm_manager -delete
find "$packages" -type d -name tests -prune -exec rm -rf {} +
# The root may be read-only, and times of files are not to be trusted: bytecode goes by neither.
"$home/bin/python3" -m compileall -q -j 0 --invalidation-mode unchecked-hash "$packages" || true

apt-get purge -qy --auto-remove python3-venv
apt-get clean
rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/* /root/.cache
ln -s "$home/bin/bgpvs-wf" /usr/local/bin/bgpvs-wf
bgpvs-wf --version
