// Calls of the losses through the C ABI. A call object puts a problem on the device, fills the
// structs and holds the guarded outputs; a test may change any argument before it runs it.
#pragma once

#include <scorefield/scorefield.h>

#include <memory>
#include <vector>

#include "support/device.h"
#include "support/loss_problem.h"
#include "support/loss_reference.h"

namespace scf::test {

// How matrices lie in memory: elements added to each row, bytes off the allocation's alignment.
struct LossLayout {
  std::int64_t input_gap = 0;
  std::int64_t output_gap = 0;
  std::size_t misalignment = 0;
  bool gradients_in_place = false;  // each gradient on the matrix that it is of
};

// Gaps everywhere, off the allocation's alignment by one element.
template <class T>
LossLayout odd_loss_layout() {
  return {3, 5, sizeof(T), false};
}

struct LossWanted {
  bool values = true;
  bool mean = true;
  bool standard_error = true;
  unsigned gradients = ~0u;  // bit k: of input k
};

// scf_loss_params of a problem, with the arrays that it points to.
template <class T>
class LossParams {
 public:
  LossParams(const Context& context, const LossProblem<T>& problem, const LossLayout& layout);
  LossParams(LossParams&&) = delete;
  scf_loss_params params;
  [[nodiscard]] std::uint32_t status_word() const;

 private:
  DeviceMatrix<T> weights_;
  DeviceMatrix<T> sigmas_;
  DeviceMatrix<T> signal_scales_;
  DeviceMatrix<T> noise_;
  DeviceMatrix<T> probes_;
  DeviceMatrix<std::uint8_t> mask_;
  DeviceMatrix<std::uint64_t> device_offset_;
  DeviceMatrix<std::uint32_t> status_;
};

// One input of a loss with its gradient, as they are passed.
template <class T>
struct LossArgument {
  T* values;
  std::int64_t ld;
  T* gradient;
  std::int64_t ld_gradient;
};

template <class T>
class LossCall {
 public:
  LossCall(const Context& owner, const LossProblem<T>& problem, LossWanted wanted = {},
           const LossLayout& layout = {});
  LossCall(LossCall&&) = delete;

  // Asks for the workspace, allocates exactly that, computes the loss, and waits.
  scf_status run();
  // The loss alone, with the workspace given.
  scf_status run_with(void* workspace, std::size_t workspace_bytes);
  // The same without waiting.
  scf_status enqueue(void* workspace, std::size_t workspace_bytes);
  scf_status workspace_size(std::size_t* bytes) const;

  [[nodiscard]] LossResults<T> results() const;
  [[nodiscard]] bool canaries_intact() const;
  // Not of gradients in place.
  [[nodiscard]] bool outputs_untouched() const;
  [[nodiscard]] std::uint32_t status_word() const { return block_.status_word(); }

  // What is passed; change at will.
  scf_context* context;
  std::int64_t m;
  std::int64_t d;
  const T* x = nullptr;
  std::int64_t ldx = 0;
  std::vector<LossArgument<T>> arguments;  // as inputs_of() says
  scf_loss_outputs outputs;
  scf_loss_params* params;
  const scf_loss_params* params_pointer;
  const scf_loss_outputs* outputs_pointer = &outputs;
  void* stream = nullptr;

 private:
  using Matrix = std::unique_ptr<DeviceMatrix<T>>;

  const Context& owner_;
  Loss loss_;
  LossParams<T> block_;
  DeviceMatrix<T> x_;
  DeviceMatrix<T> values_;
  DeviceMatrix<double> mean_;
  DeviceMatrix<double> standard_error_;
  std::vector<Matrix> inputs_;
  std::vector<Matrix> gradients_;  // empty pointers where in place
  std::vector<bool> in_place_;
};

// The whole of it: checks success and canaries, returns what came out.
template <class T>
LossResults<T> evaluate_loss(const Context& context, const LossProblem<T>& problem,
                             LossWanted wanted = {}, const LossLayout& layout = {});

// One output of a perturb call, as it is passed.
template <class T>
struct PerturbOutput {
  const char* name;
  T* values;
  std::int64_t ld;
};

// The perturb call of the problem's loss.
template <class T>
class PerturbCall {
 public:
  // Without `second`, DSM's target is not asked for.
  PerturbCall(const Context& owner, const LossProblem<T>& problem, const LossLayout& layout = {},
              bool second = true);
  PerturbCall(PerturbCall&&) = delete;
  scf_status run();
  // The same without waiting.
  scf_status enqueue();
  [[nodiscard]] std::vector<std::vector<T>> results() const;
  [[nodiscard]] bool canaries_intact() const;
  [[nodiscard]] bool outputs_untouched() const;
  [[nodiscard]] std::uint32_t status_word() const { return block_.status_word(); }

  scf_context* context;
  std::int64_t m;
  std::int64_t d;
  const T* x;
  std::int64_t ldx;
  std::vector<PerturbOutput<T>> outputs;
  scf_loss_params* params;
  const scf_loss_params* params_pointer;
  void* stream = nullptr;

 private:
  const Context& owner_;
  Loss loss_;
  LossParams<T> block_;
  DeviceMatrix<T> x_;
  std::vector<std::unique_ptr<DeviceMatrix<T>>> matrices_;
};

template <class T>
std::vector<std::vector<T>> perturb(const Context& context, const LossProblem<T>& problem,
                                    const LossLayout& layout = {});

}  // namespace scf::test
