// Limits of this machine, measured now: what a share of the limit is a share of.
#pragma once

namespace scf_bench {

// Multiply-adds per second of one thread, each lane of a vector counted, with the best SIMD target
// and every operand in a register. `Element` is float or double. Takes about 10 ms.
template <class Element>
[[nodiscard]] double multiply_adds_per_second();

// CPU seconds of the calling thread.
[[nodiscard]] double thread_seconds();

}  // namespace scf_bench
