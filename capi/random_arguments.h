// The checked translation of scf_random_params to the kernels' contract, random/random.h.
#pragma once

#include <scorefield/random.h>

#include <cstdint>
#include <limits>
#include <string>

#include "arguments.h"
#include "check.h"
#include "params.h"
#include "random/random.h"

namespace scf::capi {

// The words of m rows, each of which takes `words` of them.
inline random::Stream stream_of(const scf_random_params& params, std::int64_t m, std::int64_t words,
                                Arrays& arrays) {
  require_zero(params.reserved, "params.reserved");
  require_at_least(params.first_row, 0, "first_row");
  if (params.first_row > std::numeric_limits<std::int64_t>::max() - m) {
    fail_argument("first_row must be <= 2^63 - 1 - m with m = " + std::to_string(m) + ", got " +
                  std::to_string(params.first_row));
  }
  if (params.offset >
      std::numeric_limits<std::uint64_t>::max() - static_cast<std::uint64_t>(words)) {
    fail_argument("offset must be <= 2^64 - 1 - " + std::to_string(words) +
                  ", the words of a row, got " + std::to_string(params.offset));
  }
  add_array(arrays.inputs, "device_offset", params.device_offset, 1, 1, 1, sizeof(std::uint64_t));
  return {params.seed, params.offset, params.first_row, params.device_offset};
}

inline scf_random_params read_random_params(const scf_random_params* params, const char* name) {
  const auto defaults = sized<scf_random_params>();
  return params == nullptr ? defaults : read_params(params, defaults, name);
}

}  // namespace scf::capi
