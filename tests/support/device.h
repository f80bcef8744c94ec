// Small owners over the C ABI, so that one test body serves every backend: contexts, device memory
// with canaries around it, copies. They throw on failure, which GoogleTest reports.
#pragma once

#include <gtest/gtest.h>
#include <scorefield/scorefield.h>

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

namespace scf::test {

enum class Backend { kCpu = SCF_BACKEND_CPU, kCuda = SCF_BACKEND_CUDA };
enum class Dtype { kF32, kF64 };

std::string name_of(Backend backend);
std::string name_of(Dtype dtype);

struct BackendCase {
  Backend backend;
  Dtype dtype;
};
std::string name_of(const BackendCase& where);
void PrintTo(const BackendCase& where, std::ostream* out);

// Both dtypes on every backend, those that are absent included: tests skip them aloud.
std::vector<BackendCase> all_backend_cases();

// Throws std::runtime_error with the library's own message.
void require_success(scf_status status, const std::string& what);

// Throws where guards that a test looked at were overwritten.
void require_canaries(bool intact);

// "" where the backend has a device; else why not.
std::string why_absent(Backend backend);

// Whether SCF_REQUIRE_CUDA=1 turns an absent CUDA backend into a failure.
bool cuda_is_required();

// A fixture whose parameter has a .backend: absent backends are skipped aloud, or fail where
// required.
template <class Case>
class OnBackend : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    const std::string reason = why_absent(this->GetParam().backend);
    if (reason.empty()) return;
    if (cuda_is_required()) {
      FAIL() << "SCF_REQUIRE_CUDA is set, but " << reason;
    } else {
      GTEST_SKIP() << reason;
    }
  }
};

// Calls body(T{}) with the case's dtype.
template <class Body>
void with_dtype(Dtype dtype, Body&& body) {
  if (dtype == Dtype::kF32) {
    body(float{});
  } else {
    body(double{});
  }
}

// Of a pair of C functions, or other things, the one of dtype T.
template <class T, class F32, class F64>
constexpr auto of_dtype(F32 f32, F64 f64) {
  if constexpr (std::is_same_v<T, float>) {
    (void)f64;
    return f32;
  } else {
    (void)f32;
    return f64;
  }
}

struct ContextOptions {
  int threads = 0;         // 0: the library's default
  std::string cpu_target;  // "": the library's choice
};

class Context {
 public:
  explicit Context(Backend backend, const ContextOptions& options = {});
  [[nodiscard]] scf_context* get() const { return context_.get(); }
  [[nodiscard]] Backend backend() const { return backend_; }
  void synchronize() const;

 private:
  struct Destroy {
    void operator()(scf_context* context) const { scf_context_destroy(context); }
  };
  Backend backend_;
  std::unique_ptr<scf_context, Destroy> context_;
};

// SIMD targets that this build and machine can be forced to, by name.
std::vector<std::string> available_cpu_targets();

// Bytes of device memory. With guards, 256 bytes of canaries stand before and after, and the inside
// starts as canaries too. Without, the block is as long as asked, so that a sanitizer sees what is
// read past it.
class DeviceBlock {
 public:
  enum class Guards { kNone, kCanaries };

  // The pointer handed out is 256-byte aligned plus `misalignment` bytes.
  DeviceBlock(const Context& context, std::size_t bytes, Guards guards,
              std::size_t misalignment = 0);
  DeviceBlock(DeviceBlock&&) = delete;
  ~DeviceBlock();

  [[nodiscard]] void* data() const;
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  void write(const void* source);
  void read(void* destination) const;
  // Whether the canaries before and after are as they were.
  [[nodiscard]] bool guards_intact() const;
  // Whether nothing was written inside either.
  [[nodiscard]] bool untouched() const;

 private:
  [[nodiscard]] std::vector<unsigned char> whole() const;

  const Context& context_;
  std::size_t bytes_;
  std::size_t front_;
  std::size_t back_;
  void* block_ = nullptr;
};

inline constexpr unsigned char kCanary = 0xA5;

// A [rows, columns] matrix with a leading dimension on the device. As an input its gaps hold NaN,
// so that reading one shows; as an output they hold canaries.
template <class T>
class DeviceMatrix {
 public:
  // An input. Empty `dense` with rows > 0 means a NULL pointer.
  DeviceMatrix(const Context& context, const std::vector<T>& dense, std::int64_t rows,
               std::int64_t columns, std::int64_t ld, std::size_t misalignment = 0);
  // An output; not `wanted` means a NULL pointer.
  DeviceMatrix(const Context& context, bool wanted, std::int64_t rows, std::int64_t columns,
               std::int64_t ld, std::size_t misalignment = 0);

  [[nodiscard]] T* data() const { return block_ ? static_cast<T*>(block_->data()) : nullptr; }
  [[nodiscard]] std::int64_t ld() const { return ld_; }
  // The matrix without its gaps; empty where the pointer is NULL.
  [[nodiscard]] std::vector<T> dense() const;
  [[nodiscard]] bool canaries_intact() const;
  [[nodiscard]] bool untouched() const { return !block_ || block_->untouched(); }

 private:
  [[nodiscard]] std::size_t elements() const;

  std::int64_t rows_;
  std::int64_t columns_;
  std::int64_t ld_;
  std::unique_ptr<DeviceBlock> block_;
};

}  // namespace scf::test
