// The checked translation of a call's arguments that families share: structs with defaults, and the
// list of all arrays of a call, which are compared for overlap in the end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "check.h"

namespace scf::capi {

// A public struct, empty but for its size.
template <class Params>
Params sized() {
  Params params{};
  params.struct_size = sizeof(params);
  return params;
}

// Collects the arrays of a call as it translates them, to compare them for overlap afterwards.
struct Arrays {
  std::vector<Extent> inputs;
  std::vector<Extent> outputs;
};

// Adds an array that is there; an absent one is fine.
inline void add_array(std::vector<Extent>& arrays, const char* name, const void* pointer,
                      std::int64_t rows, std::int64_t columns, std::int64_t ld, std::size_t bytes) {
  if (pointer != nullptr) {
    arrays.push_back(extent_of(name, pointer, rows, columns, ld, bytes));
  }
}

// The same for a matrix with a leading dimension of the caller's.
inline void add_matrix(std::vector<Extent>& arrays, const char* name, const void* pointer,
                       std::int64_t rows, std::int64_t d, std::int64_t ld, std::size_t bytes) {
  if (pointer != nullptr) {
    require_leading_dimension(ld, d, (std::string("ld_") + name).c_str());
    arrays.push_back(extent_of(name, pointer, rows, d, ld, bytes));
  }
}

// The workspace, and that nothing overlaps.
inline void check_memory(Arrays& arrays, const void* workspace, std::size_t bytes,
                         std::size_t needed) {
  require_workspace(workspace, bytes, needed);
  const auto length = static_cast<std::int64_t>(needed);
  add_array(arrays.outputs, "workspace", workspace, 1, length, length, 1);
  require_disjoint(arrays.inputs, arrays.outputs);
}

}  // namespace scf::capi
