// Calls of the random numbers through the C ABI.
#pragma once

#include <scorefield/scorefield.h>

#include <cstdint>
#include <string>
#include <vector>

#include "support/device.h"
#include "support/random_reference.h"

namespace scf::test {

inline const std::vector<RandomKind>& all_random_kinds() {
  static const std::vector<RandomKind> kinds = {RandomKind::kUniform, RandomKind::kNormal,
                                                RandomKind::kRademacher};
  return kinds;
}

std::string name_of(RandomKind kind);

[[nodiscard]] scf_random_params random_params(const WordSource& source);

// The functions of a kind and dtype T.
template <class T>
scf_status random_fill(RandomKind kind, scf_context* context, const scf_random_params* params,
                       std::int64_t m, std::int64_t d, T* out, std::int64_t ld);
template <class T>
scf_status random_sphere(scf_context* context, const scf_random_params* params, std::int64_t m,
                         std::int64_t d, double radius, T* out, std::int64_t ld);

// How out lies in memory: elements after each row, bytes off the allocation's alignment.
struct RandomLayout {
  std::int64_t gap = 0;
  std::size_t misalignment = 0;
};

// Dense numbers; throws where the call fails or writes where it must not.
template <class T>
std::vector<T> random_numbers(const Context& context, RandomKind kind,
                              const scf_random_params& params, std::int64_t m, std::int64_t d,
                              const RandomLayout& layout = {});
template <class T>
std::vector<T> sphere_points(const Context& context, const scf_random_params& params,
                             std::int64_t m, std::int64_t d, double radius,
                             const RandomLayout& layout = {});
std::vector<std::uint32_t> random_bits(const Context& context, const scf_random_params& params,
                                       std::int64_t m, std::int64_t d,
                                       const RandomLayout& layout = {});

// One 64-bit word in device memory, as device_offset wants it.
class DeviceWord {
 public:
  DeviceWord(const Context& context, std::uint64_t value)
      : block_(context, sizeof(value), DeviceBlock::Guards::kNone) {
    block_.write(&value);
  }
  void set(std::uint64_t value) { block_.write(&value); }
  [[nodiscard]] const std::uint64_t* data() const {
    return static_cast<const std::uint64_t*>(block_.data());
  }

 private:
  DeviceBlock block_;
};

}  // namespace scf::test
