// Densities with less bias on the CPU: kde_debias.h.
//
//   moved data   y + (h^2/2) s(y) = (y + m(y)) / 2, score and denoiser of its own label's data
//   Laplacian    p - (h^2/2) laplacian p = p (1 - (h^2/2)(div s + |s|^2))
//
// Both are evaluations (kde_evaluate_cpu.cpp) with a sweep over their rows after them: one read of
// the score or the denoiser, nothing beside the n m d of the evaluation.
#include <algorithm>
#include <vector>

#include "common/cpu_context.h"
#include "kde/kde_cpu.h"
#include "kde/kde_debias.h"
#include "kde/kde_debias_math.h"
#include "kde/kde_debias_slices.h"
#include "kde/kde_queries_cpu.h"

namespace scf::kde {
namespace {

constexpr std::int64_t kElementsPerTask = 16384;  // of the sweeps over rows

// body(row) for all rows, in parallel.
template <class Body>
void for_each_row(const CpuContext& context, std::int64_t rows, std::int64_t d, const Body& body) {
  const std::int64_t length = std::max<std::int64_t>(1, kElementsPerTask / d);
  context.parallel_for((rows + length - 1) / length, [&](std::int64_t task, int) {
    for (std::int64_t row = task * length; row < std::min(rows, (task + 1) * length); ++row) {
      body(row);
    }
  });
}

// Labels under which data ask for their own score: a datum of weight zero may be alone with its
// label, and where it goes does not matter.
template <class T>
std::vector<std::int32_t> asking_labels(const Dataset<T>& data) {
  if (data.labels == nullptr || data.weights == nullptr) {
    return {};
  }
  std::vector<std::int32_t> labels(static_cast<std::size_t>(data.n));
  std::transform(data.labels, data.labels + data.n, data.weights, labels.begin(),
                 [](std::int32_t label, T weight) { return weight > 0 ? label : kAnyLabel; });
  return labels;
}

// The data, moved: [n, d].
template <class T>
void move_data(const CpuContext& context, const CpuKde<T>& kde, const Dataset<T>& data,
               double bandwidth, T* moved) {
  const Move move = move_at<T>(bandwidth);
  const std::vector<std::int32_t> labels = asking_labels(data);
  const auto queries = own_queries(data, labels.empty() ? data.labels : labels.data(), bandwidth);
  HostArray<char> workspace(
      context.allocator(),
      static_cast<std::int64_t>(slices_workspace(queries, data.d, [&](const Queries<T>& part) {
        return kde_evaluate_workspace_cpu(context, kde, part, outputs_of(move, moved, data.d));
      })));
  for_each_slice(queries, data.d, [&](const Queries<T>& part, std::int64_t first) {
    kde_evaluate_cpu(context, kde, part, outputs_of(move, moved + first * data.d, data.d),
                     workspace.data());
  });
  for_each_row(context, data.n, data.d, [&](std::int64_t i) {
    for (std::int64_t j = 0; j < data.d; ++j) {
      T& value = moved[i * data.d + j];
      value = static_cast<T>(
          move(static_cast<double>(data.data[i * data.ld + j]), static_cast<double>(value)));
    }
  });
}

template <class T>
double half_square(const T* score, std::int64_t d, double bandwidth) {
  double sum = 0;
  for (std::int64_t j = 0; j < d; ++j) {
    sum += half_square_term(static_cast<double>(score[j]), bandwidth);
  }
  return sum;
}

}  // namespace

template <class T>
std::shared_ptr<const CpuKde<T>> kde_prepare_debiased_cpu(const CpuContext& context,
                                                          const Dataset<T>& data,
                                                          double bandwidth) {
  Dataset<T> as_given = data;
  as_given.index = Index::kNone;  // that is for the moved data
  std::shared_ptr<const CpuKde<T>> given = kde_prepare_cpu(context, as_given);
  HostArray<T> moved(context.allocator(), data.n * data.d);
  move_data(context, *given, data, bandwidth, moved.data());
  given.reset();  // its memory is free for the one that replaces it
  Dataset<T> dataset = data;
  dataset.data = moved.data();
  dataset.ld = data.d;
  return prepare_moved([&] { return kde_prepare_cpu(context, dataset); });
}

template <class T>
std::size_t kde_laplace_workspace_cpu(const CpuContext& context, const CpuKde<T>& kde,
                                      const Queries<T>& queries) {
  return laplace_workspace(queries, kde.d, [&](const Queries<T>& part, const Outputs<T>& outputs) {
    return kde_evaluate_workspace_cpu(context, kde, part, outputs);
  });
}

template <class T>
void kde_laplace_cpu(const CpuContext& context, const CpuKde<T>& kde, const Queries<T>& queries,
                     const LaplaceOutputs<T>& outputs, void* workspace) {
  check_query_arrays(kde, queries);  // of all queries, before the first slice writes
  if (queries.m == 0) {
    return;
  }
  const auto evaluate = [&](const Queries<T>& part, const LaplaceRoom<T>& room) {
    kde_evaluate_cpu(context, kde, part, room.outputs, room.evaluation);
  };
  const auto finish = [&](const Queries<T>& part, std::int64_t first, const Outputs<T>& results) {
    for_each_row(context, part.m, kde.d, [&](std::int64_t i) {
      const double h = bandwidth_of(part, i);
      const SignedLog density = laplace_density<T>(static_cast<double>(results.log_density[i]),
                                                   half_square(results.score + i * kde.d, kde.d, h),
                                                   static_cast<double>(results.divergence[i]), h,
                                                   static_cast<double>(kde.d));
      if (outputs.log_magnitude != nullptr) {
        outputs.log_magnitude[first + i] = static_cast<T>(density.log_magnitude);
      }
      if (outputs.sign != nullptr) {
        outputs.sign[first + i] = density.sign;
      }
    });
  };
  laplace_in_slices(queries, kde.d, workspace, evaluate, finish);
}

template std::shared_ptr<const CpuKde<float>> kde_prepare_debiased_cpu(const CpuContext&,
                                                                       const Dataset<float>&,
                                                                       double);
template std::shared_ptr<const CpuKde<double>> kde_prepare_debiased_cpu(const CpuContext&,
                                                                        const Dataset<double>&,
                                                                        double);
template std::size_t kde_laplace_workspace_cpu(const CpuContext&, const CpuKde<float>&,
                                               const Queries<float>&);
template std::size_t kde_laplace_workspace_cpu(const CpuContext&, const CpuKde<double>&,
                                               const Queries<double>&);
template void kde_laplace_cpu(const CpuContext&, const CpuKde<float>&, const Queries<float>&,
                              const LaplaceOutputs<float>&, void*);
template void kde_laplace_cpu(const CpuContext&, const CpuKde<double>&, const Queries<double>&,
                              const LaplaceOutputs<double>&, void*);

}  // namespace scf::kde
