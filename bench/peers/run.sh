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
for python in python3 /usr/bin/python3; do
  if "$python" -c 'import torch' 2>/dev/null; then
    "$python" "$here/sampler_peers.py" "$library" "$build/peers/sampler_torch.json"
    exec "$python" "$here/loss_torch.py" "$library" "$build/peers/loss_torch.json"
  fi
done
echo "no python3 here has PyTorch (Debian: python3-torch): the losses, and PyTorch's samplers, are left out"
