#!/bin/sh
# usage: run.sh BUILD_FOLDER LIBRARY [WHAT]; see README.md. WHAT: kde, scaling, samplers, flows, losses or all.
set -eu
build=$1
library=$2
what=${3:-all}
here=$(cd "$(dirname "$0")" && pwd)
out=$build/peers
python=$out/venv/bin/python
if [ ! -x "$python" ]; then
  python3 -m venv "$out/venv"
fi
packages='numpy scipy scikit-learn matplotlib pykeops'
if ! "$python" -c 'import numpy, scipy, sklearn, matplotlib, pykeops' >/dev/null 2>&1; then
  # shellcheck disable=SC2086 # a list
  "$out/venv/bin/pip" install --quiet --disable-pip-version-check $packages
fi
# A forced OpenBLAS kernel would slow the peers down.
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE || true

torch_python=
for candidate in python3 /usr/bin/python3; do
  if "$candidate" -c 'import torch' 2>/dev/null; then
    torch_python=$candidate
    break
  fi
done
# Debian's PyTorch takes whichever BLAS it finds first; its plain one would make it twenty times slower.
for folder in /usr/lib/*/openblas-pthread; do
  if [ -e "$folder/libblas.so.3" ]; then
    export LD_LIBRARY_PATH="$folder${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
  elif [ -n "$torch_python" ]; then
    echo "PyTorch here computes with a plain BLAS (Debian: libopenblas0-pthread has a fast one)"
  fi
done
if [ -z "$torch_python" ]; then
  echo "no python3 here has PyTorch (Debian: python3-torch): it is left out"
fi

wanted() {
  [ "$what" = all ] || [ "$what" = "$1" ]
}
if wanted kde; then
  "$python" "$here/kde_peers.py" "$library" "$out/peers.json" --torch-python "$torch_python"
fi
if wanted scaling; then
  "$python" "$here/kde_scaling.py" "$library" "$out/scaling.json" --torch-python "$torch_python"
fi
if wanted samplers; then
  "$python" "$here/sampler_peers.py" "$library" "$out/sampler_numpy.json"
  if [ -n "$torch_python" ]; then
    "$torch_python" "$here/sampler_peers.py" "$library" "$out/sampler_torch.json"
  fi
fi
if wanted flows; then
  "$python" "$here/ode_peers.py" "$library" "$out/ode_scipy.json"
  if [ -n "$torch_python" ]; then
    # torchdiffeq with that Python's PyTorch, which needs a numpy of its time.
    diffeq=$out/venv-torch
    if [ ! -x "$diffeq/bin/python" ]; then
      "$torch_python" -m venv --system-site-packages "$diffeq"
      "$diffeq/bin/pip" install --quiet --disable-pip-version-check torchdiffeq 'numpy<2' ||
        echo "torchdiffeq could not be installed"
    fi
    if "$diffeq/bin/python" -c 'import torchdiffeq' 2>/dev/null; then
      "$diffeq/bin/python" "$here/ode_peers.py" "$library" "$out/ode_torch.json"
    fi
  fi
fi
if wanted losses && [ -n "$torch_python" ]; then
  PYTHONPATH=$here/../../capi/python SCOREFIELD_LIBRARY=$library \
    "$torch_python" "$here/loss_python.py" "$out/loss_python.json"
  "$torch_python" "$here/loss_torch.py" "$library" "$out/loss_torch.json"
fi
