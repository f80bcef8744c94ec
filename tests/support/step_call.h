// Calls of the samplers' steps through the C ABI. A call object puts a problem on the device, fills
// the params and holds the guarded outputs; a test may change any argument before it runs it.
#pragma once

#include <scorefield/scorefield.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "support/device.h"
#include "support/sampler_reference.h"
#include "support/step_problem.h"

namespace scf::test {

// Where the new state, or x0^, goes.
enum class Place { kOwn, kOnX, kOnOutput, kOnExtra };

// How matrices lie in memory: elements added to each row, bytes off the allocation's alignment.
struct StepLayout {
  std::int64_t input_gap = 0;
  std::int64_t output_gap = 0;
  std::size_t misalignment = 0;
  Place next = Place::kOwn;
  Place denoised = Place::kOwn;
};

// A matrix with guards around it and known bytes in its gaps, read and written in place.
template <class T>
class StateMatrix {
 public:
  StateMatrix(const Context& context, const std::vector<T>& dense, std::int64_t rows,
              std::int64_t columns, std::int64_t ld, std::size_t misalignment = 0);
  [[nodiscard]] T* data() const { return static_cast<T*>(block_.data()); }
  [[nodiscard]] std::int64_t ld() const { return ld_; }
  [[nodiscard]] std::vector<T> dense() const;
  // Whether guards and gaps are as they were.
  [[nodiscard]] bool intact() const;
  // Whether every element is.
  [[nodiscard]] bool untouched() const;

 private:
  [[nodiscard]] std::vector<T> whole() const;
  std::int64_t rows_;
  std::int64_t columns_;
  std::int64_t ld_;
  std::vector<T> before_;
  DeviceBlock block_;
};

template <class T>
class StepCall {
 public:
  StepCall(const Context& owner, const StepProblem<T>& problem, const StepLayout& layout = {});
  StepCall(StepCall&&) = delete;

  // Asks for the workspace where there is one, allocates exactly that, steps, and waits.
  scf_status run();
  // The step alone, with the workspace given.
  scf_status enqueue(void* workspace, std::size_t workspace_bytes);
  scf_status workspace_size(std::size_t* bytes) const;

  [[nodiscard]] StepResults<T> results() const;
  [[nodiscard]] std::uint32_t status_word() const;
  // Guards and gaps, of what is written in place too.
  [[nodiscard]] bool canaries_intact() const;
  [[nodiscard]] bool outputs_untouched() const;

  // What is passed; change at will.
  scf_context* context;
  scf_step_params params;
  const scf_step_params* params_pointer = &params;
  std::int64_t m;
  std::int64_t d;
  const T* x;
  std::int64_t ldx;
  const T* output;
  std::int64_t ld_output;
  const T* extra;
  std::int64_t ld_extra;
  T* next;
  std::int64_t ld_next;
  std::int32_t form;
  void* stream = nullptr;

 private:
  const Context& owner_;
  Step step_;
  StateMatrix<T> x_;
  StateMatrix<T> output_;
  StateMatrix<T> extra_;
  DeviceMatrix<T> noise_;
  DeviceMatrix<T> next_own_;
  DeviceMatrix<T> denoised_own_;
  const StateMatrix<T>* next_place_;
  const StateMatrix<T>* denoised_place_;
  std::vector<std::unique_ptr<DeviceBlock>> arrays_;
  DeviceMatrix<std::uint64_t> device_offset_;
  DeviceMatrix<std::uint32_t> status_;
};

// The whole of it: checks success and canaries, returns what came out.
template <class T>
StepResults<T> take_step(const Context& context, const StepProblem<T>& problem,
                         const StepLayout& layout = {});

// The words of the library's own normals, [m, d]: what a step makes inside.
template <class T>
std::vector<T> library_normals(const Context& context, std::uint64_t seed, std::uint64_t offset,
                               std::int64_t first_row, std::int64_t m, std::int64_t d);

}  // namespace scf::test
