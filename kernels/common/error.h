// Error: what kernels/ throws and capi/ turns into a status and a message. Inside the library only.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

namespace scf {

// The numbers of the C ABI's scf_status; capi/ checks that they agree.
enum class Status : std::int32_t {
  kSuccess = 0,
  kInvalidArgument = 1,
  kOutOfMemory = 2,
  kWorkspaceTooSmall = 3,
  kUnsupported = 4,
  kBackendUnavailable = 5,
  kCuda = 6,
  kCancelled = 7,
  kInternal = 8,
};

// `message` is one line for the caller: argument, value, bound.
class Error : public std::runtime_error {
 public:
  Error(Status status, const std::string& message) : std::runtime_error(message), status_(status) {}
  [[nodiscard]] Status status() const noexcept { return status_; }

 private:
  Status status_;
};

}  // namespace scf
