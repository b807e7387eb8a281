#!/usr/bin/env bash
# Builds each distribution in contrib/, installs it into a new environment and runs its tests against the installed
# package. `contrib/test.sh contrib/ftcore-abba` does it for one.
#
# The new environment sees what .venv has installed, so that torch and its kin, some gigabytes, are not fetched and
# unpacked again for each. ftcore itself is installed anew, as a wheel, and so is all that .venv does not have. Pins are
# those of constraints.txt and, for what only contrib needs, contrib/constraints.txt.
set -euo pipefail
cd "$(dirname "$0")/.."
main=$PWD/.venv/bin/python
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_QUIET=1 HF_HUB_OFFLINE=1 OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
shared=$("$main" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')

[ $# -gt 0 ] || set -- contrib/*/
"$main" -m pip wheel --no-deps --no-build-isolation --wheel-dir "$work" . "${@/#/./}"
for folder in "$@"; do
    name=$(basename "$folder")
    began=$SECONDS
    "$main" -m venv --without-pip "$work/$name"  # .venv's own does: to unpack another takes three seconds
    python=$work/$name/bin/python
    # A path in a .pth file is searched after the environment's own packages, and the .pth files there are not read: the
    # editable ftcore of .venv stays out of sight.
    echo "$shared" >"$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/shared.pth"
    "$python" -m pip install --constraint constraints.txt --constraint contrib/constraints.txt --no-deps \
        --ignore-installed "$work"/ftcore-*.whl
    "$python" -m pip install --no-compile --constraint constraints.txt --constraint contrib/constraints.txt \
        "$work/${name//-/_}"-*.whl pytest pytest-timeout
    (cd "$work" && "$python" -m pytest -q -p no:cacheprovider -c "$OLDPWD/contrib/$name/pyproject.toml" \
        --rootdir "$OLDPWD/contrib/$name" "$OLDPWD/contrib/$name/tests")
    echo "$name: built, installed and tested in $((SECONDS - began)) s"
done
