// Values that options give by a name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "errors.h"

namespace scf::cli {

struct Named {
  const char* name;
  std::int32_t value;
};

template <class T, std::size_t n>
[[nodiscard]] std::vector<std::string> names_of(const T (&all)[n]) {
  std::vector<std::string> names;
  for (const T& one : all) names.emplace_back(one.name);
  return names;
}

// Throws InputError, "there is no probe 'x'", where no value has the name.
template <std::size_t n>
[[nodiscard]] std::int32_t value_of(const Named (&all)[n], const std::string& name,
                                    const char* what) {
  for (const Named& one : all) {
    if (name == one.name) return one.value;
  }
  throw InputError(format("there is no %s '%s'", what, name.c_str()));
}

template <std::size_t n>
[[nodiscard]] std::string name_of(const Named (&all)[n], std::int32_t value) {
  for (const Named& one : all) {
    if (value == one.value) return one.name;
  }
  return "";
}

}  // namespace scf::cli
