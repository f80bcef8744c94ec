// A context whose memory is counted and may be refused: what happens when an allocation fails.
#pragma once

#include <gtest/gtest.h>
#include <scorefield/core.h>

#include <algorithm>
#include <cstddef>
#include <map>
#include <memory>

#include "support/device.h"

namespace scf::test {

// For calls of one thread at a time.
class Ledger {
 public:
  struct Destroy {
    void operator()(scf_context* context) const { scf_context_destroy(context); }
  };
  using Handle = std::unique_ptr<scf_context, Destroy>;

  // A context that takes its memory of this; the ledger must outlive it.
  [[nodiscard]] Handle context(Backend backend) {
    const bool cuda = backend == Backend::kCuda;
    scf_context_params params;
    require_success(scf_context_params_init(&params, sizeof params), "scf_context_params_init");
    params.backend = cuda ? SCF_BACKEND_CUDA : SCF_BACKEND_CPU;
    source_ = std::make_unique<Context>(backend);
    params.allocator_user = this;
    if (cuda) {
      params.device_allocate = [](void* user, std::size_t size, void* stream) {
        return static_cast<Ledger*>(user)->allocate(size, stream);
      };
      params.device_free = [](void* user, void* pointer, std::size_t size, void* stream) {
        static_cast<Ledger*>(user)->free(pointer, size, stream);
      };
    } else {
      params.host_allocate = [](void* user, std::size_t size, std::size_t /*alignment*/) {
        return static_cast<Ledger*>(user)->allocate(size, nullptr);
      };
      params.host_free = [](void* user, void* pointer, std::size_t size) {
        static_cast<Ledger*>(user)->free(pointer, size, nullptr);
      };
    }
    scf_context* made = nullptr;
    require_success(scf_context_create(&params, &made), "scf_context_create");
    return Handle(made);
  }

  // From now on `count` allocations succeed, and all after them fail.
  void refuse_after(int count) { left_ = count; }
  [[nodiscard]] std::size_t live() const { return live_.size(); }
  [[nodiscard]] std::size_t most_bytes() const { return most_bytes_; }

 private:
  void* allocate(std::size_t size, void* stream) {
    void* pointer = nullptr;
    if (left_ == 0 || scf_allocate(source_->get(), size, stream, &pointer) != SCF_SUCCESS) {
      return nullptr;
    }
    --left_;
    live_[pointer] = size;
    bytes_ += size;
    most_bytes_ = std::max(most_bytes_, bytes_);
    return pointer;
  }
  void free(void* pointer, std::size_t size, void* stream) {
    const auto found = live_.find(pointer);
    ASSERT_NE(found, live_.end()) << "freed, but never allocated";
    EXPECT_EQ(found->second, size) << "freed with another size";
    live_.erase(found);
    bytes_ -= size;
    EXPECT_EQ(scf_free(source_->get(), pointer, stream), SCF_SUCCESS);
  }

  std::unique_ptr<Context> source_;
  std::map<void*, std::size_t> live_;
  std::size_t bytes_ = 0;
  std::size_t most_bytes_ = 0;
  int left_ = 1 << 30;
};

}  // namespace scf::test
