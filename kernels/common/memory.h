// Where the library's memory comes from: the caller's callbacks, or the system's allocator.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace scf {

inline constexpr std::size_t kAlignment = 256;  // of every allocation and workspace, in bytes

[[nodiscard]] constexpr std::size_t round_up(std::size_t bytes, std::size_t multiple) {
  return (bytes + multiple - 1) / multiple * multiple;
}

// The callbacks of scf_context_params; null pointers mean the defaults.
struct AllocatorCallbacks {
  void* user = nullptr;
  void* (*host_allocate)(void* user, std::size_t size, std::size_t alignment) = nullptr;
  void (*host_free)(void* user, void* pointer, std::size_t size) = nullptr;
  void* (*device_allocate)(void* user, std::size_t size, void* stream) = nullptr;
  void (*device_free)(void* user, void* pointer, std::size_t size, void* stream) = nullptr;
};

// Host memory, aligned to kAlignment; zero bytes give nullptr. Throws Error(kOutOfMemory).
[[nodiscard]] void* host_allocate(const AllocatorCallbacks& callbacks, std::size_t bytes);
void host_free(const AllocatorCallbacks& callbacks, void* pointer, std::size_t bytes) noexcept;

// An owned, uninitialised array in host memory. T must be trivial.
template <class T>
class HostArray {
 public:
  HostArray() = default;
  HostArray(const AllocatorCallbacks& callbacks, std::int64_t size)
      : callbacks_(callbacks),
        data_(
            static_cast<T*>(host_allocate(callbacks, sizeof(T) * static_cast<std::size_t>(size)))),
        size_(size) {}
  HostArray(HostArray&& other) noexcept { swap(other); }
  HostArray& operator=(HostArray&& other) noexcept {
    swap(other);
    return *this;
  }
  HostArray(const HostArray&) = delete;
  HostArray& operator=(const HostArray&) = delete;
  ~HostArray() { host_free(callbacks_, data_, sizeof(T) * static_cast<std::size_t>(size_)); }

  [[nodiscard]] T* data() noexcept { return data_; }
  [[nodiscard]] const T* data() const noexcept { return data_; }
  [[nodiscard]] std::int64_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  T& operator[](std::int64_t i) noexcept { return data_[i]; }
  const T& operator[](std::int64_t i) const noexcept { return data_[i]; }

 private:
  void swap(HostArray& other) noexcept {
    std::swap(callbacks_, other.callbacks_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
  }
  AllocatorCallbacks callbacks_;
  T* data_ = nullptr;
  std::int64_t size_ = 0;
};

// Carves aligned arrays out of a caller's workspace, or, given a null base, only counts: one piece
// of code then says how much is needed and lays it out.
class Arena {
 public:
  explicit Arena(void* base) : base_(static_cast<char*>(base)) {}
  // rows x columns elements. Throws Error(kInvalidArgument) where the workspace would reach past
  // the address space; the two sizes are apart because their product may.
  template <class T>
  [[nodiscard]] T* take(std::int64_t rows, std::int64_t columns = 1) {
    const std::size_t at = used_;
    advance(rows, columns, sizeof(T));
    return base_ == nullptr ? nullptr : reinterpret_cast<T*>(base_ + at);
  }
  [[nodiscard]] std::size_t used() const noexcept { return used_; }

 private:
  void advance(std::int64_t rows, std::int64_t columns, std::size_t element_bytes);

  char* base_;
  std::size_t used_ = 0;
};

}  // namespace scf
