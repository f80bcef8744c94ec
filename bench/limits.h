// Limits of this machine, measured now: what a share of the limit is a share of.
#pragma once

#include <cstddef>
#include <vector>

namespace scf_bench {

// Multiply-adds per second of one thread, each lane of a vector counted, with the best SIMD target
// and every operand in a register. `Element` is float or double. Takes about 10 ms.
template <class Element>
[[nodiscard]] double multiply_adds_per_second();

// The least time of a pass over arrays of `bytes` each, all inputs read and all outputs written:
// the better of ordinary and non-temporal stores. Up to 8 inputs and 4 outputs, but not 3; aligned
// to 64 bytes. measure() makes a pass of each kind, so that passes can alternate with those of what
// is compared with them, over the same memory; numbers in the outputs are lost.
class MoveLimit {
 public:
  MoveLimit(std::vector<const void*> inputs, std::vector<void*> outputs, std::size_t bytes);
  void measure();
  [[nodiscard]] double seconds() const { return seconds_; }

 private:
  std::vector<const void*> inputs_;
  std::vector<void*> outputs_;
  std::size_t bytes_;
  double seconds_;
};

// Such passes over arrays of their own, each far larger than the caches, which all of them share.
struct PassLimit {
  MoveLimit move;
  double bytes;  // of a pass, all arrays counted once

  // Of moving so many bytes at the same rate.
  [[nodiscard]] double seconds(double of_bytes) const { return move.seconds() * of_bytes / bytes; }
};
// reads in [0, 8], writes in [0, 4], one of them positive. The first call takes memory.
[[nodiscard]] PassLimit pass_limit(int reads, int writes);

// CPU seconds of the calling thread.
[[nodiscard]] double thread_seconds();

// Seconds of a clock that runs on.
[[nodiscard]] double wall_seconds();

}  // namespace scf_bench
