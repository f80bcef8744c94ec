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
"$environment/bin/python" "$here/kde_sklearn.py" "$library" "$build/peers/kde_sklearn.json"
"$environment/bin/python" "$here/sampler_peers.py" "$library" "$build/peers/sampler_numpy.json"
"$environment/bin/python" "$here/ode_peers.py" "$library" "$build/peers/ode_scipy.json"
for python in python3 /usr/bin/python3; do
  if "$python" -c 'import torch' 2>/dev/null; then
    "$python" "$here/sampler_peers.py" "$library" "$build/peers/sampler_torch.json"
    # torchdiffeq with that Python's PyTorch, which needs a numpy of its time.
    environment=$build/peers/venv-torch
    if [ ! -x "$environment/bin/python" ]; then
      "$python" -m venv --system-site-packages "$environment"
      "$environment/bin/pip" install --quiet --disable-pip-version-check torchdiffeq 'numpy<2' ||
        echo "torchdiffeq could not be installed"
    fi
    if "$environment/bin/python" -c 'import torchdiffeq' 2>/dev/null; then
      "$environment/bin/python" "$here/ode_peers.py" "$library" "$build/peers/ode_torch.json"
    fi
    PYTHONPATH=$here/../../capi/python SCOREFIELD_LIBRARY=$library \
      "$python" "$here/loss_python.py" "$build/peers/loss_python.json"
    exec "$python" "$here/loss_torch.py" "$library" "$build/peers/loss_torch.json"
  fi
done
echo "no python3 here has PyTorch (Debian: python3-torch): the losses, PyTorch's samplers and torchdiffeq are left out"
