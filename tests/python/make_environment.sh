#!/bin/sh
# make_environment.sh FOLDER: a virtual environment there with what requirements.txt (beside this file)
# lists, once. Prefers a Python that has PyTorch. Where it cannot be made, FOLDER/absent says why, and the
# tests of the Python package are skipped with that reason: the rest of the build goes on.
set -eu
folder=$1
here=$(cd "$(dirname "$0")" && pwd)

if [ -f "$folder/made" ] && cmp -s "$folder/made" "$here/requirements.txt" &&
  "$folder/bin/python" -c 'import numpy, pytest' 2>/dev/null; then
  exit 0
fi
rm -rf "$folder"
mkdir -p "$folder"

absent() {
  echo "$1" >"$folder/absent"
  echo "warning: the Python package will not be tested: $1" >&2
  exit 0
}

python= options=
for candidate in python3 /usr/bin/python3; do
  if "$candidate" -c 'import sys, venv; assert sys.version_info >= (3, 9)' 2>/dev/null; then
    python=${python:-$candidate}
    if "$candidate" -c 'import torch' 2>/dev/null; then
      python=$candidate options=--system-site-packages
      break
    fi
  fi
done
[ -n "$python" ] || absent "no Python 3.9 or newer with venv (Debian: python3-venv)"
# shellcheck disable=SC2086  # none or one option
"$python" -m venv $options "$folder" || absent "$python -m venv failed (Debian: python3-venv)"
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check \
  --requirement "$here/requirements.txt" || absent "pip could not install requirements.txt: no network?"
cp "$here/requirements.txt" "$folder/made"
