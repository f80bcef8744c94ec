// Numbers below the least normal one cost processors a detour, and sums of weights relative to the
// largest have no use for them.
#pragma once

#if defined(__SSE2__) || defined(_M_X64)
#include <xmmintrin.h>
#define SCF_FLUSHES_SUBNORMALS 1
#else
#define SCF_FLUSHES_SUBNORMALS 0
#endif

namespace scf {

// While it lives, results of its thread that are below the least normal number are 0, where the
// processor has a mode for that and gains by it. Operands are what they are.
class FlushSubnormals {
 public:
#if SCF_FLUSHES_SUBNORMALS
  FlushSubnormals() : before_(_mm_getcsr()) {
    _mm_setcsr(before_ | kFlush);
  }
  ~FlushSubnormals() {
    _mm_setcsr((_mm_getcsr() & ~kFlush) | (before_ & kFlush));
  }
#else
  FlushSubnormals() {}   // NOLINT(modernize-use-equals-default): an object that is used
  ~FlushSubnormals() {}  // NOLINT(modernize-use-equals-default)
#endif
  FlushSubnormals(const FlushSubnormals&) = delete;
  FlushSubnormals& operator=(const FlushSubnormals&) = delete;

 private:
#if SCF_FLUSHES_SUBNORMALS
  static constexpr unsigned kFlush = 0x8000;
  unsigned before_;
#endif
};

}  // namespace scf
