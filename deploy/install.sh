# Run by a test (tests/integration/server/test_deployment.py) in a new environment and an empty home.
#
# install.sh ENVIRONMENT DATA: Sluice into a new virtual environment, and a folder for its data that the user 1000 may
# write. In a clone of Sluice that is the lock; in a project of yours, what its requirements.txt names, or the newest
# sluice-elt. The Dockerfile's only step, and how a machine with systemd installs it.
set -eu
cd "$(dirname "$0")/.."
environment=$1
data=$2

"${PYTHON:-python3}" -m venv "$environment"
pip() { "$environment/bin/python" -m pip install --quiet --no-cache-dir --disable-pip-version-check "$@"; }
if [ -f requirements/runtime.txt ] && [ -f sluice/__init__.py ]; then
  pip --require-hashes --no-deps -r requirements/runtime.txt
  pip --no-deps --no-build-isolation .
elif [ -f requirements.txt ]; then
  pip -r requirements.txt
else
  pip sluice-elt
fi

mkdir -p "$data"
if [ "$(id -u)" = 0 ]; then
  chown 1000:1000 "$data"
fi
"$environment/bin/sluice" --version
