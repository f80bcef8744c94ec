// The engine's own way with errors: a status that is none, and a condition that does not hold,
// throw.
#pragma once

#include <scorefield/scorefield.h>

#include <stdexcept>
#include <string>

namespace embed {

class Failure : public std::runtime_error {
 public:
  Failure(scf_status code, const std::string& what) : std::runtime_error(what), code_(code) {}
  [[nodiscard]] scf_status code() const noexcept { return code_; }

 private:
  scf_status code_;
};

inline void check(scf_status status) {
  if (status == SCF_SUCCESS) return;
  throw Failure(status, std::string(scf_status_name(status)) + ": " + scf_last_error());
}

inline void require(bool condition, const char* what) {
  if (!condition) throw Failure(SCF_ERROR_INTERNAL, std::string("not so: ") + what);
}

}  // namespace embed
