#!/bin/sh
# usage: machine_code.sh BUILD_FOLDER CUDA_BIN_FOLDER NVCC README: the part of `make cuda-report` that disassembles, after
# cuda_report; see machine_code.py. The toolkit's nvdisasm is used, or NVIDIA's from PyPI, in a virtual
# environment of the build folder. UPDATE=1 writes the tables into README; PEERS=none leaves the peers out.
set -eu
build=$1
toolkit=$2
nvcc=$3
readme=$4
here=$(cd "$(dirname "$0")" && pwd)
out=$build/cuda-report
venv=$out/venv
log=$out/pip.log
mkdir -p "$out"
export PYTHONDONTWRITEBYTECODE=1

# What pip could not install, it says in one line.
install() {
  [ -x "$venv/bin/python" ] || python3 -m venv "$venv" >"$log" 2>&1 || return 1
  "$venv/bin/pip" install --quiet --disable-pip-version-check "$@" >"$log" 2>&1
}

# The toolkit's program of that name, or else PyPI's.
tool() {
  found=$(PATH="$toolkit:$PATH" command -v "$1" || true)
  if [ -z "$found" ]; then
    found=$(find "$venv/" -path "*/bin/$1" -type f 2>/dev/null | head -n 1)
  fi
  if [ -z "$found" ] && install "nvidia-cuda-$1"; then
    found=$(find "$venv/" -path "*/bin/$1" -type f | head -n 1)
  fi
  echo "$found"
}

nvdisasm=$(tool nvdisasm)
if [ -z "$nvdisasm" ]; then
  echo "The instructions of the machine code are NOT counted: the toolkit has no nvdisasm, and it cannot be installed from"
  echo "PyPI: $(tail -n 1 "$log")"
  exit 0
fi
peers=
if [ "${PEERS:-all}" != none ]; then
  SCF_CUOBJDUMP=$(tool cuobjdump)
  export SCF_CUOBJDUMP
  # Flash-SD-KDE asks for PyTorch, which its kernels do not need to be compiled.
  if [ -n "$SCF_CUOBJDUMP" ] && install numpy keopscore pykeops && install --no-deps triton flash-sd-kde; then
    "$venv/bin/python" "$here/peer_kernels.py" "$nvcc" "$out"
    peers=$out/peers.json
  else
    echo "The peers' kernels are NOT counted: $(tail -n 1 "$log")"
  fi
fi
# shellcheck disable=SC2086 # an option with its value, or none
python3 "$here/machine_code.py" "$build/cuda-report.json" "$out/cubins" "$nvdisasm" ${peers:+--peers "$peers"} \
  --readme "$readme" ${UPDATE:+--write}
