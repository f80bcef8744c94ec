#!/bin/sh
# run_sanitized.sh BUILD SANITIZED JOBS: runs the CPU tests of the C ABI that the build folder BUILD holds on
# the library of the folder SANITIZED, which AddressSanitizer and UndefinedBehaviorSanitizer watch: the
# tests themselves need no second build. Left out are those that run the same code on other numbers or once
# more: they take the time, and are there for their digits, which threads must not change.
set -eu
build=$1
sanitized=$2
jobs=$3
programs='capi_fuzz_test core_test cpp_binding_test kde_divergence_test kde_draw_test kde_errors_test kde_evaluate_test
  kde_loss_test loss_errors_test loss_samples_test ode_adjoint_test ode_errors_test ode_solvers_test random_test
  sampler_driver_test step_errors_test step_values_test'
left_out='*cuda*:*HardProblems*:*TypicalRequests*:*Accuracy*:*Statistics*:*KnownValues*:*StandardErrors*'
left_out=$left_out':*SplitOfTheBatch*:*ChunksOfQueriesDoNotShow*:*RepeatsBitForBit*:*RepeatsAndThreads*'
left_out=$left_out':*RandomThreads*:*OfEverySimdTarget*:*MemoryIsBounded*:*ManyPoints/f32*'
for shape in _d784 _n511_ _n1500_; do
  left_out=$left_out":*AnySubsetOfOutputs*$shape*:*AnyNumberOfThreads*$shape*"
done
for seeds in 11 12 13 14 15 16 17; do
  left_out=$left_out":*_seeds$seeds*"
done

# The sanitizers' own runtime must be there before the program's first library.
runtime=
for library in asan ubsan; do
  runtime="$runtime $(cc -print-file-name=lib$library.so)"
done
logs=$sanitized/logs
mkdir -p "$logs"
export build sanitized jobs left_out runtime logs

one='
  program=$1
  shard=$2
  log=$logs/$program.$shard.txt
  if LD_PRELOAD=$runtime LD_LIBRARY_PATH=$sanitized/lib \
     ASAN_OPTIONS=allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1 \
     GTEST_TOTAL_SHARDS=$jobs GTEST_SHARD_INDEX=$shard \
     "$build/bin/$program" --gtest_filter="-$left_out" >"$log" 2>&1; then
    echo "$program, part $shard: $(grep -F "[  PASSED  ]" "$log")"
  else
    cat "$log"
    echo "$program, part $shard: FAILED"
    exit 1
  fi'
for program in $programs; do
  shard=0
  while [ "$shard" -lt "$jobs" ]; do
    echo "$program $shard"
    shard=$((shard + 1))
  done
done | xargs -P "$jobs" -L1 sh -c "$one" sh
