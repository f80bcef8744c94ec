#!/bin/sh
# run_cuda_cases.sh BUILD JOBS [--required]: runs the GoogleTest cases of the CUDA backend that a build
# folder holds, on the GPU or on ptxvm as it was configured, and ends with the line
#   CUDA cases: N passed, F failed, S skipped on DEVICE
# Before them it runs what is no GoogleTest case and needs the same device (label "smoke"). Fails if
# anything failed; with --required also if no case passed. Without a CUDA toolkit all are skipped.
set -eu
build=$1
jobs=$2
required=${3:-}
mode=$(cat "$build/tests/cuda_cases.txt") # ptxvm, gpu or none
results=$build/tests/cuda_cases

if [ "$mode" = ptxvm ]; then
  LD_LIBRARY_PATH=$build/ptxvm
  export LD_LIBRARY_PATH
fi
case $mode in
  none) device= ;;
  *)
    SCF_REQUIRE_CUDA=1 # an absent device is a failure, not a reason to skip
    export SCF_REQUIRE_CUDA
    device=$("$build/bin/scorefield" info | sed -n 's/^cuda:0 *\(.*\), sm_.*/\1/p')
    ;;
esac

run() {
  ctest --test-dir "$build" --output-on-failure --parallel "$jobs" -L '^cuda$' "$@"
}
rm -rf "$results" # those of an earlier run are no evidence
status=0
run -L '^smoke$' || status=1
run -LE '^smoke$' || status=1

if [ ! -d "$results" ]; then
  echo "CUDA cases: none ran" >&2
  exit 1
fi

# The sum over all programs' results of the attribute of that name on their elements <testsuite>.
count() {
  cat "$results"/*.xml | grep -F '<testsuite ' |
    sed -n 's/.* '"$1"'="\([0-9]*\)".*/\1/p' | awk '{sum += $1} END {print sum + 0}'
}
failed=$(($(count failures) + $(count errors)))
skipped=$(count skipped)
passed=$(($(count tests) - failed - skipped - $(count disabled)))
[ "$failed" -eq 0 ] || status=1
if [ -n "$required" ] && [ "$passed" -eq 0 ]; then
  status=1
fi
if [ "$mode" = none ]; then
  where=": this build has no CUDA toolkit"
else
  where=" on ${device:-no device}"
fi
echo "CUDA cases: $passed passed, $failed failed, $skipped skipped$where"
exit $status
