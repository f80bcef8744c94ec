#include "status.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <new>
#include <stdexcept>
#include <string>

namespace scf::capi {
namespace {

static_assert(static_cast<int>(Status::kSuccess) == SCF_SUCCESS);
static_assert(static_cast<int>(Status::kInvalidArgument) == SCF_ERROR_INVALID_ARGUMENT);
static_assert(static_cast<int>(Status::kOutOfMemory) == SCF_ERROR_OUT_OF_MEMORY);
static_assert(static_cast<int>(Status::kWorkspaceTooSmall) == SCF_ERROR_WORKSPACE_TOO_SMALL);
static_assert(static_cast<int>(Status::kUnsupported) == SCF_ERROR_UNSUPPORTED);
static_assert(static_cast<int>(Status::kBackendUnavailable) == SCF_ERROR_BACKEND_UNAVAILABLE);
static_assert(static_cast<int>(Status::kCuda) == SCF_ERROR_CUDA);
static_assert(static_cast<int>(Status::kCancelled) == SCF_ERROR_CANCELLED);
static_assert(static_cast<int>(Status::kInternal) == SCF_ERROR_INTERNAL);

// A fixed buffer: a message must be kept even where nothing can be allocated any more. Longer ones
// are cut.
constexpr std::size_t kMaxMessage = 512;
struct LastFailure {
  std::array<char, kMaxMessage> message{};
  scf_status status = SCF_SUCCESS;
  std::uint64_t count = 0;  // of the thread's failures so far
};
thread_local LastFailure last_failure;

scf_status fail_with(scf_status status, const char* message) noexcept {
  // A callback may hand back the thread's own message, or the end of it.
  const std::size_t length = std::min(std::strlen(message), kMaxMessage - 1);
  std::memmove(last_failure.message.data(), message, length);
  last_failure.message[length] = '\0';
  last_failure.status = status;
  ++last_failure.count;
  return status;
}

}  // namespace

const char* last_error() noexcept {
  return last_failure.message.data();
}

CallbackWatch::CallbackWatch() noexcept : failures_(last_failure.count) {}

void CallbackWatch::raise(scf_status status, std::string what) const {
  if (last_failure.count != failures_ && last_failure.status == status &&
      last_failure.message.front() != '\0') {
    what.append(": ").append(last_failure.message.data());
  }
  throw Error(static_cast<Status>(status), what);
}

scf_status status_of_current_exception() noexcept {
  try {
    throw;
  } catch (const Error& error) {
    return fail_with(static_cast<scf_status>(error.status()), error.what());
  } catch (const std::bad_alloc&) {
    return fail_with(SCF_ERROR_OUT_OF_MEMORY, "out of memory");
  } catch (const std::length_error&) {  // a container asked for more than any memory holds
    return fail_with(SCF_ERROR_OUT_OF_MEMORY, "out of memory");
  } catch (const std::exception& exception) {
    return fail_with(SCF_ERROR_INTERNAL, exception.what());
  } catch (...) {
    return fail_with(SCF_ERROR_INTERNAL, "unknown exception");
  }
}

}  // namespace scf::capi

extern "C" {

const char* scf_last_error(void) {
  return scf::capi::last_error();
}

scf_status scf_set_last_error(scf_status status, const char* message) {
  return status == SCF_SUCCESS ? status
                               : scf::capi::fail_with(status, message == nullptr ? "" : message);
}

const char* scf_status_name(scf_status status) {
  switch (status) {
    case SCF_SUCCESS:
      return "SUCCESS";
    case SCF_ERROR_INVALID_ARGUMENT:
      return "INVALID_ARGUMENT";
    case SCF_ERROR_OUT_OF_MEMORY:
      return "OUT_OF_MEMORY";
    case SCF_ERROR_WORKSPACE_TOO_SMALL:
      return "WORKSPACE_TOO_SMALL";
    case SCF_ERROR_UNSUPPORTED:
      return "UNSUPPORTED";
    case SCF_ERROR_BACKEND_UNAVAILABLE:
      return "BACKEND_UNAVAILABLE";
    case SCF_ERROR_CUDA:
      return "CUDA";
    case SCF_ERROR_CANCELLED:
      return "CANCELLED";
    case SCF_ERROR_INTERNAL:
      return "INTERNAL";
    default:
      return "UNKNOWN";
  }
}

}  // extern "C"
