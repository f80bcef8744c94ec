// Rows so far apart that their offsets pass 2^31 elements: every index into a caller's matrix must
// be 64 bits wide. The matrices are virtual memory of which only the rows are ever touched, so this
// is for the CPU; a device's memory is real.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <new>

#include "support/compare.h"
#include "support/kde_call.h"
#include "support/kde_data.h"

namespace scf::test {
namespace {

constexpr std::int64_t kRows = 4097;
constexpr std::int64_t kLd = (std::int64_t{1} << 19) + 3;
static_assert((kRows - 1) * kLd > std::int64_t{1} << 31, "the last row lies beyond 2^31 elements");

// [kRows, kLd] of T, mostly never there.
template <class T>
class SparseMatrix {
 public:
  explicit SparseMatrix(std::int64_t columns, const std::vector<T>& dense = {})
      : columns_(columns),
        rows_(static_cast<T*>(mmap(nullptr, kBytes, PROT_READ | PROT_WRITE,
                                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0))) {
    if (static_cast<void*>(rows_) == MAP_FAILED) throw std::bad_alloc();
    for (std::size_t i = 0; i < dense.size(); ++i) {
      const auto at = static_cast<std::int64_t>(i);
      rows_[at / columns_ * kLd + at % columns_] = dense[i];
    }
  }
  SparseMatrix(SparseMatrix&&) = delete;
  ~SparseMatrix() { munmap(rows_, kBytes); }

  [[nodiscard]] T* data() const { return rows_; }
  [[nodiscard]] std::vector<T> dense() const {
    std::vector<T> values;
    values.reserve(static_cast<std::size_t>(kRows * columns_));
    for (std::int64_t i = 0; i < kRows; ++i) {
      values.insert(values.end(), rows_ + i * kLd, rows_ + i * kLd + columns_);
    }
    return values;
  }

 private:
  static constexpr std::size_t kBytes = sizeof(T) * static_cast<std::size_t>(kRows * kLd);
  std::int64_t columns_;
  T* rows_;
};

class KdeLargeOffsets : public OnBackend<BackendCase> {};

TEST_P(KdeLargeOffsets, DataQueriesTangentsAndOutputs) {
  with_dtype(GetParam().dtype, [&](auto tag) {
    using T = decltype(tag);
    const auto problem = normal_problem<T>({kRows, kRows, 3}, 401);
    const Context context(GetParam().backend);
    const SparseMatrix<T> data(3, problem.data);
    const SparseMatrix<T> x(3, problem.queries);
    const SparseMatrix<T> tangent(3, problem.tangent);
    const SparseMatrix<T> score(3);
    const SparseMatrix<T> product(3);

    const PreparedKde<T> dense(context, problem);
    const OutputSet wanted = OutputSet(Output::kScore) | Output::kJacobianProduct;
    EvaluateCall<T> call(context, dense.get(), problem, wanted);
    require_success(call.run(), "evaluate");
    const auto expected = call.results();

    scf_kde* kde = nullptr;
    require_success(kde_create<T>(context.get(), data.data(), kRows, 3, kLd, nullptr, &kde),
                    "scf_kde_create");
    call.kde = kde;
    call.queries.x = x.data();
    call.queries.ldx = kLd;
    call.queries.params.tangent = tangent.data();
    call.queries.params.ld_tangent = kLd;
    call.outputs.score = score.data();
    call.outputs.ld_score = kLd;
    call.outputs.jacobian_product = product.data();
    call.outputs.ld_jacobian_product = kLd;
    EXPECT_EQ(call.run(), SCF_SUCCESS) << scf_last_error();
    EXPECT_TRUE(same_bits(score.dense(), expected.score));
    EXPECT_TRUE(same_bits(product.dense(), expected.jacobian_product));
    scf_kde_destroy(kde);
  });
}

TEST_P(KdeLargeOffsets, Gradients) {
  with_dtype(GetParam().dtype, [&](auto tag) {
    using T = decltype(tag);
    auto problem = normal_problem<T>({kRows, kRows, 1}, 402);
    const GradientInputs<T> inputs{{}, gradient_weights<T>(kRows, 1), {}, {}};
    const Context context(GetParam().backend);
    const SparseMatrix<T> weights(1, inputs.score_weights);
    const SparseMatrix<T> out(1);
    const PreparedKde<T> kde(context, problem);
    GradientCall<T> call(context, kde.get(), problem, inputs);
    require_success(call.run(), "gradient");
    const auto expected = call.results();
    call.gradients.score_weights = weights.data();
    call.gradients.ld_score_weights = kLd;
    call.gradients.data = out.data();
    call.gradients.ld_data = kLd;
    EXPECT_EQ(call.run(), SCF_SUCCESS) << scf_last_error();
    EXPECT_TRUE(same_bits(out.dense(), expected.data));
  });
}

INSTANTIATE_TEST_SUITE_P(Kde, KdeLargeOffsets,
                         ::testing::Values(BackendCase{Backend::kCpu, Dtype::kF32},
                                           BackendCase{Backend::kCpu, Dtype::kF64}),
                         parameter_name<BackendCase>);

}  // namespace
}  // namespace scf::test
