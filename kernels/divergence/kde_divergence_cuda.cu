// The divergences of two KDEs on a CUDA device: kde_divergence_backend.h.
#include "common/cuda_context.h"
#include "common/rows_cuda.cuh"
#include "divergence/kde_divergence_backend.h"
#include "random/random.h"

namespace scf::divergence {
namespace {

// out[i] = (score_p[i,:] - score_q[i,:]) . displacement[i,:]: differences in T, sums in double.
template <class T>
class ProductsOperation {
 public:
  static constexpr int kSums = 1;
  static constexpr bool kHasValues = false;
  struct Row {
    std::int64_t row;
  };

  ProductsOperation(const T* score_p, const T* score_q, const T* displacement, std::int64_t d,
                    T* out)
      : score_p_(Matrix<const T>{score_p, d}),
        score_q_(Matrix<const T>{score_q, d}),
        displacement_(Matrix<const T>{displacement, d}),
        out_(out) {}

  __device__ std::int64_t passes() const { return 1; }
  __device__ void begin(std::int64_t row, std::int64_t /*slot*/, Row& state) const {
    state.row = row;
  }
  __device__ void quad(std::int64_t /*pass*/, std::int64_t row, std::int64_t column, int count,
                       Row& /*state*/, double* sums) const {
    T p[4];
    T q[4];
    T e[4];
    load_quad(score_p_, row, column, count, p);
    load_quad(score_q_, row, column, count, q);
    load_quad(displacement_, row, column, count, e);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      p[j] = (p[j] - q[j]) * e[j];
    }
    sums[0] += sum_quad(p);
  }
  __device__ void swept(std::int64_t /*pass*/, bool leader, const double* sums, Row& state) const {
    if (leader) {
      out_[state.row] = static_cast<T>(sums[0]);
    }
  }
  __device__ double end(std::int64_t /*row*/, const Row& /*state*/) const {
    return 0;
  }
  __device__ void clear_quad(std::int64_t /*row*/, std::int64_t /*column*/, int /*count*/) const {}
  __device__ void clear(std::int64_t /*row*/) const {}

 private:
  QuadMatrix<const T> score_p_;
  QuadMatrix<const T> score_q_;
  QuadMatrix<const T> displacement_;
  T* out_;
};

// out[i,:] = -weights[i] displacement[i,:]
template <class T>
class ProductsGradientOperation {
 public:
  static constexpr int kSums = 0;
  static constexpr bool kHasValues = false;
  struct Row {
    T weight;
  };

  ProductsGradientOperation(const T* weights, const T* displacement, std::int64_t d, T* out)
      : weights_(weights),
        displacement_(Matrix<const T>{displacement, d}),
        out_(Matrix<T>{out, d}) {}

  __device__ std::int64_t passes() const { return 1; }
  __device__ void begin(std::int64_t row, std::int64_t /*slot*/, Row& state) const {
    state.weight = -weights_[row];
  }
  __device__ void quad(std::int64_t /*pass*/, std::int64_t row, std::int64_t column, int count,
                       Row& state, double* /*sums*/) const {
    T e[4];
    load_quad(displacement_, row, column, count, e);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      e[j] *= state.weight;
    }
    store_quad(out_, row, column, count, e);
  }
  __device__ void swept(std::int64_t /*pass*/, bool /*leader*/, const double* /*sums*/,
                        Row& /*state*/) const {}
  __device__ double end(std::int64_t /*row*/, const Row& /*state*/) const {
    return 0;
  }
  __device__ void clear_quad(std::int64_t /*row*/, std::int64_t /*column*/, int /*count*/) const {}
  __device__ void clear(std::int64_t /*row*/) const {}

 private:
  const T* weights_;
  QuadMatrix<const T> displacement_;
  QuadMatrix<T> out_;
};

template <class T>
class CudaBackend final : public KdeDivergenceBackend<T> {
 public:
  CudaBackend(const CudaContext& context, void* stream)
      : context_(context), stream_(stream), kde_(loss::kde_loss_backend_cuda<T>(context, stream)) {}

  [[nodiscard]] const loss::KdeLossBackend<T>& kde() const override { return *kde_; }

  [[nodiscard]] std::size_t workspace(std::int64_t m, std::int64_t n,
                                      std::int64_t d) const override {
    return divergence_workspace_cuda(context_, m, n, d);
  }
  void diverge(Divergence divergence, const Points<T>& p, const Points<T>& q,
               const Outputs<T>& outputs, void* workspace) const override {
    divergence_cuda(context_, divergence, p, q, outputs, workspace, stream_);
  }
  void local_variance(const LocalVariancePoints<T>& points, const Outputs<T>& outputs,
                      void* workspace) const override {
    local_variance_cuda(context_, points, outputs, workspace, stream_);
  }

  void normal(const random::Stream& words, std::int64_t m, std::int64_t d, T* out) const override {
    random::random_fill_cuda(context_, random::Distribution::kNormal, words, m, d, 0, out, d,
                             stream_);
  }
  void products(const T* score_p, const T* score_q, const T* displacement, std::int64_t m,
                std::int64_t d, T* out) const override {
    run_rows_cuda("kde_divergence_products", RowPlanCuda(context_, m, d), RowBatch<T>{m, d},
                  ProductsOperation<T>(score_p, score_q, displacement, d, out), nullptr, stream_);
  }
  void products_gradient(const T* weights, const T* displacement, std::int64_t m, std::int64_t d,
                         T* out) const override {
    run_rows_cuda("kde_divergence_products_gradient", RowPlanCuda(context_, m, d),
                  RowBatch<T>{m, d}, ProductsGradientOperation<T>(weights, displacement, d, out),
                  nullptr, stream_);
  }

 private:
  const CudaContext& context_;
  void* stream_;
  std::unique_ptr<loss::KdeLossBackend<T>> kde_;
};

}  // namespace

template <class T>
std::unique_ptr<KdeDivergenceBackend<T>> kde_divergence_backend_cuda(const CudaContext& context,
                                                                     void* stream) {
  return std::make_unique<CudaBackend<T>>(context, stream);
}

template std::unique_ptr<KdeDivergenceBackend<float>> kde_divergence_backend_cuda(
    const CudaContext&, void*);
template std::unique_ptr<KdeDivergenceBackend<double>> kde_divergence_backend_cuda(
    const CudaContext&, void*);

}  // namespace scf::divergence
