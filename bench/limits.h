// Limits of this machine, measured now: what a share of the limit is a share of.
#pragma once

namespace scf_bench {

// Multiply-adds per second of one thread, each lane of a vector counted, with the best SIMD target
// and every operand in a register. `Element` is float or double. Takes about 10 ms.
template <class Element>
[[nodiscard]] double multiply_adds_per_second();

// Bytes per second that one thread moves between its registers and memory, all `reads` + `writes`
// arrays counted once, each far larger than the caches: the better of ordinary and non-temporal
// stores. reads in [0, 8], writes in [0, 2], one of them positive. The first call takes memory,
// which later ones use again. Takes about 0.3 s.
[[nodiscard]] double bytes_per_second(int reads, int writes);

// CPU seconds of the calling thread.
[[nodiscard]] double thread_seconds();

}  // namespace scf_bench
