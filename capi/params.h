// Structs that start with their own size. They are append-only, without padding, so that a caller's
// struct, older and smaller or newer and larger than ours, shares a prefix with ours.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>

#include "check.h"
#include "common/error.h"

namespace scf::capi {

// A size that can be a version of Params: whole 8-byte groups, at least one.
template <class Params>
void require_struct_size(std::uint32_t size, const char* name) {
  static_assert(std::is_standard_layout_v<Params> && std::is_trivially_copyable_v<Params>);
  static_assert(sizeof(Params) % 8 == 0);
  if (size < 8 || size % 8 != 0) {
    fail_argument(std::string(name) +
                  ".struct_size must be sizeof of the struct, a multiple of 8, " + "got " +
                  std::to_string(size));
  }
}

// Fills a caller's struct of `size` bytes; what a newer caller's struct has beyond ours becomes 0.
template <class Params>
void write_params(Params* to, std::uint32_t size, const Params& from, const char* name) {
  require_pointer(to, name);
  require_struct_size<Params>(size, name);
  const std::size_t known = std::min<std::size_t>(size, sizeof(Params));
  auto* bytes = reinterpret_cast<unsigned char*>(to);
  std::memcpy(bytes, &from, known);
  std::memset(bytes + known, 0, size - known);
  to->struct_size = size;
}

// Reads a caller's struct: what an older caller's struct lacks keeps its default, and what a newer
// caller's has beyond ours must be 0, or we would ignore a wish.
template <class Params>
[[nodiscard]] Params read_params(const Params* from, const Params& defaults, const char* name) {
  require_pointer(from, name);
  require_struct_size<Params>(from->struct_size, name);
  Params params = defaults;
  const std::size_t known = std::min<std::size_t>(from->struct_size, sizeof(Params));
  const auto* bytes = reinterpret_cast<const unsigned char*>(from);
  std::memcpy(&params, bytes, known);
  const bool unknown_set = std::any_of(bytes + known, bytes + from->struct_size,
                                       [](unsigned char byte) { return byte != 0; });
  if (unknown_set) {
    throw Error(Status::kUnsupported, std::string(name) + " sets a field that this version (" +
                                          std::to_string(sizeof(Params)) + " bytes) does not know");
  }
  params.struct_size = sizeof(Params);
  return params;
}

}  // namespace scf::capi
