// Run-time dispatch for CPU kernels: the entry of a Highway table for a context's targets.
//
// A file of SIMD code declares, per target, plain functions and exports them with HWY_EXPORT(F);
// then
//   HWY_DISPATCH_TABLE(F)[scf::dispatch_index(context.targets())](arguments)
// runs the one that the context chose, so a context can force a target and nothing is global.
#pragma once

#include <hwy/targets.h>

#include <cstddef>
#include <cstdint>

namespace scf {

inline std::size_t dispatch_index([[maybe_unused]] std::int64_t targets) {
#ifdef HWY_COMPILE_ONLY_STATIC
  return 0;  // tables of one entry
#else
  hwy::ChosenTarget chosen;
  chosen.Update(targets);
  return chosen.GetIndex();
#endif
}

}  // namespace scf
