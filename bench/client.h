// What benchmarks share as clients of the C ABI: errors, a context with its memory, devices.
#pragma once

#include <scorefield/scorefield.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace scf_bench {

inline void check(scf_status status) {
  if (status != SCF_SUCCESS) {
    throw std::runtime_error(scf_last_error());
  }
}

// A context, of one thread on the CPU, that frees with itself what it allocated.
class Client {
 public:
  explicit Client(std::int32_t backend) {
    scf_context_params params;
    check(scf_context_params_init(&params, sizeof params));
    params.backend = backend;
    params.threads = backend == SCF_BACKEND_CPU ? 1 : 0;
    check(scf_context_create(&params, &context_));
  }
  ~Client() { scf_context_destroy(context_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  [[nodiscard]] scf_context* get() const { return context_; }
  void synchronise() const { check(scf_stream_synchronize(context_, nullptr)); }

  template <class E>
  [[nodiscard]] E* allocate(std::int64_t count) const {
    void* pointer = nullptr;
    check(scf_allocate(context_, sizeof(E) * static_cast<std::size_t>(count), nullptr, &pointer));
    return static_cast<E*>(pointer);
  }

  template <class E>
  [[nodiscard]] E* upload(const std::vector<E>& values) const {
    E* const pointer = allocate<E>(static_cast<std::int64_t>(values.size()));
    check(scf_copy(context_, pointer, values.data(), sizeof(E) * values.size(),
                   SCF_COPY_HOST_TO_DEVICE, nullptr));
    synchronise();
    return pointer;
  }

  template <class E>
  [[nodiscard]] std::vector<E> download(const E* pointer, std::int64_t count) const {
    std::vector<E> values(static_cast<std::size_t>(count));
    check(scf_copy(context_, values.data(), pointer, sizeof(E) * values.size(),
                   SCF_COPY_DEVICE_TO_HOST, nullptr));
    synchronise();
    return values;
  }

 private:
  scf_context* context_ = nullptr;
};

// Whether there is a CUDA device, and whether it is the emulator of tests/ptxvm.
inline bool has_cuda() {
  std::int32_t devices = 0;
  return scf_device_count(SCF_BACKEND_CUDA, &devices) == SCF_SUCCESS && devices > 0;
}
inline bool is_emulated() {
  scf_device_info info;
  check(scf_device_info_init(&info, sizeof info));
  check(scf_device_describe(SCF_BACKEND_CUDA, 0, &info));
  return std::string(info.name).find("ptxvm") != std::string::npos;
}

}  // namespace scf_bench
