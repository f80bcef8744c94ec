// The C API's basics as the command and the demo use them: a context, memory on its device, and a
// dataset prepared there. Every failure is a CommandError.
#pragma once

#include <scorefield/scorefield.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

namespace scf::cli {

// Throws CommandError with the library's message and the exit code that fits the status.
void check_status(scf_status status);

// The one of a pair of C functions that takes T.
template <class T, class F32, class F64>
[[nodiscard]] constexpr auto for_dtype(F32 f32, F64 f64) {
  static_assert(std::is_same_v<T, float> || std::is_same_v<T, double>);
  if constexpr (std::is_same_v<T, float>) {
    return f32;
  } else {
    return f64;
  }
}

class Context {
 public:
  // backend: SCF_BACKEND_*; threads 0: all.
  explicit Context(std::int32_t backend, std::int32_t threads = 0);

  [[nodiscard]] scf_context* get() const { return context_.get(); }
  [[nodiscard]] const char* device_name() const;  // "cpu", "cuda"
  [[nodiscard]] std::int32_t threads() const { return scf_context_threads(context_.get()); }
  // "cpu (AVX2, 2 threads)", "cuda (name of the device)".
  [[nodiscard]] std::string description() const;
  void synchronize() const { check_status(scf_stream_synchronize(get(), nullptr)); }

 private:
  struct Deleter {
    void operator()(scf_context* context) const noexcept { scf_context_destroy(context); }
  };
  std::unique_ptr<scf_context, Deleter> context_;
};

// An array in a context's device memory that grows when it has to.
class DeviceBuffer {
 public:
  explicit DeviceBuffer(const Context& context) : context_(context) {}
  ~DeviceBuffer() { scf_free(context_.get(), pointer_, nullptr); }
  DeviceBuffer(const DeviceBuffer&) = delete;
  DeviceBuffer& operator=(const DeviceBuffer&) = delete;

  void* reserve(std::size_t bytes);
  void* upload(const void* host, std::size_t bytes);
  void download(void* host, std::size_t bytes) const;  // enqueued: synchronise before reading

  template <class V>
  V* reserve_values(std::size_t count) {
    return static_cast<V*>(reserve(count * sizeof(V)));
  }
  template <class V>
  const V* upload_values(const std::vector<V>& host) {
    return static_cast<const V*>(upload(host.data(), host.size() * sizeof(V)));
  }
  template <class V>
  void download_values(std::vector<V>& host) const {
    if (!host.empty()) download(host.data(), host.size() * sizeof(V));
  }

 private:
  const Context& context_;
  void* pointer_ = nullptr;
  std::size_t bytes_ = 0;
};

// How a dataset is prepared, other than plainly.
struct Preparation {
  bool index = false;                 // evaluations with a tolerance may skip data
  std::optional<double> debiased_at;  // a bandwidth: the data are moved by their score there first
};

// A dataset laid out for evaluations.
template <class T>
class PreparedKde {
 public:
  // data [n, d]; weights [n] or empty; both in host memory, copied.
  PreparedKde(const Context& context, const std::vector<T>& data, std::int64_t d,
              const std::vector<T>& weights = {}, const Preparation& preparation = {});

  [[nodiscard]] const scf_kde* get() const { return kde_.get(); }
  [[nodiscard]] std::int64_t n() const { return scf_kde_size(get()); }
  [[nodiscard]] std::int64_t d() const { return scf_kde_dimension(get()); }

 private:
  struct Deleter {
    void operator()(scf_kde* kde) const noexcept { scf_kde_destroy(kde); }
  };
  std::unique_ptr<scf_kde, Deleter> kde_;
};

// A status word of queries that work on the device sets.
class QueryStatus {
 public:
  explicit QueryStatus(const Context& context) : buffer_(context) {}

  std::uint32_t* clear();                                      // returns the word, in device memory
  void download() { buffer_.download(&bits_, sizeof bits_); }  // enqueued
  // Throws InputError where a bit is set. Queries and skips are checked before they are handed
  // over, so what is left is a datum that leaves nothing behind.
  void check() const;

 private:
  DeviceBuffer buffer_;
  std::uint32_t bits_ = 0;
};

// 0, 1, ..., n - 1: each datum left out for itself.
[[nodiscard]] std::vector<std::int64_t> each_in_turn(std::int64_t n);

}  // namespace scf::cli
