// Status and last error: every entry point of the C ABI runs inside guard(), so that nothing throws
// across it and every failure leaves one line behind.
#pragma once

#include <scorefield/core.h>

#include <cstdint>
#include <string>

#include "common/error.h"

namespace scf::capi {

// Turns the exception in flight into a status and the thread's last error.
[[nodiscard]] scf_status status_of_current_exception() noexcept;

// The thread's last failure, "" if none yet.
[[nodiscard]] const char* last_error() noexcept;

// Made before a callback is called; raises what the callback returned, with the reason where it
// kept one (scf_set_last_error, or a call of this library that failed with the same status). An
// older message is not taken for it.
class CallbackWatch {
 public:
  CallbackWatch() noexcept;
  [[noreturn]] void raise(scf_status status, std::string what) const;

 private:
  std::uint64_t failures_;
};

// Runs the body of an entry point.
template <class Body>
[[nodiscard]] scf_status guard(const Body& body) noexcept {
  try {
    body();
    return SCF_SUCCESS;
  } catch (...) {
    return status_of_current_exception();
  }
}

}  // namespace scf::capi
