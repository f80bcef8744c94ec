#!/bin/sh
# usage: run.sh BUILD_FOLDER LIBRARY; see README.md.
set -eu
build=$1
library=$2
here=$(cd "$(dirname "$0")" && pwd)
environment=$build/peers/venv
if [ ! -x "$environment/bin/python" ]; then
  python3 -m venv "$environment"
  "$environment/bin/pip" install --quiet --disable-pip-version-check numpy scikit-learn
fi
# A forced OpenBLAS kernel would slow the peers down.
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE || true
exec "$environment/bin/python" "$here/kde_sklearn.py" "$library" "$build/peers/kde_sklearn.json"
