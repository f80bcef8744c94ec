// Losses of a KDE as the model, through the C ABI: by the driver, and by hand, as a caller would
// compose them of perturb, evaluate, loss and gradient.
#pragma once

#include <scorefield/scorefield.h>

#include <memory>
#include <string>
#include <vector>

#include "support/kde_call.h"
#include "support/loss_call.h"
#include "support/shapes.h"

namespace scf::test {

// A loss of a KDE. The samples are options.x, and the queries' options those of `kde`, whose own
// queries are not used; options.loss is as loss_of() says.
template <class T>
struct KdeLossProblem {
  std::int32_t loss = SCF_LOSS_DSM;
  LossProblem<T> options;
  KdeProblem<T> kde;
  KdeProblem<T> data_kde;  // ESM
};

// The loss that a caller would take, kIsm for the likelihood.
Loss loss_of(std::int32_t kde_loss);
std::string kde_loss_name(std::int32_t kde_loss);
const std::vector<std::int32_t>& all_kde_losses();

template <class T>
std::string describe(const KdeLossProblem<T>& problem);

// Normal data [n, d], m samples, bandwidth fitting, sigma 0.5, epsilon 0.1.
template <class T>
KdeLossProblem<T> normal_kde_loss(std::int32_t loss, const Shape& shape, std::uint64_t seed);

// Every option of the loss and of the KDE on by chance.
template <class T>
KdeLossProblem<T> any_kde_loss(std::int32_t loss, const Shape& shape, std::uint64_t seed);

template <class T>
struct KdeLossResults {
  std::vector<T> values;
  double mean = 0;
  double standard_error = 0;
  double log_bandwidth_gradient = 0;
  double gradient_size = 0;  // by hand: of its terms, in absolute value
  std::uint32_t query_status = 0;
  std::uint32_t loss_status = 0;
};

struct KdeLossWanted {
  bool values = true;
  bool mean = true;
  bool standard_error = true;
  bool gradient = true;
};

template <class T>
class KdeLossCall {
 public:
  KdeLossCall(const Context& owner, const KdeLossProblem<T>& problem, KdeLossWanted wanted = {},
              const Layout& layout = {});
  KdeLossCall(KdeLossCall&&) = delete;

  scf_status run();
  [[nodiscard]] KdeLossResults<T> results() const;  // 0 where not asked for
  [[nodiscard]] bool canaries_intact() const;
  [[nodiscard]] bool outputs_untouched() const;

  // What is passed; change at will.
  scf_context* context;
  const scf_kde* kde;
  scf_kde_loss_params loss;
  QueryBlock<T> queries;
  scf_loss_params* params;
  scf_loss_outputs outputs;
  double* gradient;
  const scf_kde_loss_params* loss_pointer = &loss;
  const scf_loss_params* params_pointer;
  const scf_kde_query_params* query_pointer = &queries.params;
  const scf_loss_outputs* outputs_pointer = &outputs;
  void* stream = nullptr;

 private:
  const Context& owner_;
  std::unique_ptr<PreparedKde<T>> kde_;
  std::unique_ptr<PreparedKde<T>> data_kde_;
  std::unique_ptr<QueryBlock<T>> data_queries_;
  LossParams<T> block_;
  DeviceMatrix<T> values_;
  DeviceMatrix<double> mean_;
  DeviceMatrix<double> standard_error_;
  DeviceMatrix<double> gradient_;
};

// The whole of it: checks success and canaries, returns what came out.
template <class T>
KdeLossResults<T> evaluate_kde_loss(const Context& context, const KdeLossProblem<T>& problem,
                                    KdeLossWanted wanted = {}, const Layout& layout = {});

// The same by hand. The gradient is a sum over samples in double.
template <class T>
KdeLossResults<T> kde_loss_by_hand(const Context& context, const KdeLossProblem<T>& problem);

// A fit of a bandwidth.
template <class T>
scf_status fit_bandwidth(scf_context* context, const scf_kde* kde, const scf_kde_loss_params* loss,
                         const scf_loss_params* params, const T* data, std::int64_t ld,
                         scf_bandwidth_fit* fit);

}  // namespace scf::test
