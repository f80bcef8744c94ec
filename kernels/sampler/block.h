// Memory of a backend for the length of a scope.
#pragma once

#include <cstddef>

#include "sampler/sampler_backend.h"

namespace scf::sampler {

template <class T>
class Block {
 public:
  Block(const SamplerBackend<T>& backend, std::size_t bytes)
      : backend_(backend), bytes_(bytes), data_(bytes == 0 ? nullptr : backend.allocate(bytes)) {}
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;
  ~Block() {
    if (data_ != nullptr) {
      backend_.free(data_, bytes_);
    }
  }
  [[nodiscard]] void* data() const noexcept { return data_; }

 private:
  const SamplerBackend<T>& backend_;
  std::size_t bytes_;
  void* data_;
};

}  // namespace scf::sampler
