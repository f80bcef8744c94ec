// The divergences of two KDEs on a CUDA device: kde_divergence_backend.h.
#include "common/cuda_context.h"
#include "common/rows_cuda.cuh"
#include "divergence/kde_divergence_backend.h"
#include "random/random.h"

namespace scf::divergence {
namespace {

// out[i] = (score_p[i,:] - score_q[i,:]) . displacement[i,:]: differences in T, sums in double.
template <class T>
class ProductsOperation : public RowOperationCuda {
 public:
  static constexpr int kSums = 1;
  static constexpr int kResults = 1;
  struct Row {
    const T* p;
    const T* q;
    const T* displacement;
  };

  ProductsOperation(const T* score_p, const T* score_q, const T* displacement, std::int64_t d,
                    T* out)
      : score_p_(Matrix<const T>{score_p, d}),
        score_q_(Matrix<const T>{score_q, d}),
        displacement_(Matrix<const T>{displacement, d}),
        out_(out),
        vectors_(all_aligned(score_p_, score_q_, displacement_)) {}

  __device__ bool vectors() const { return vectors_; }

  __device__ void seek(std::int64_t /*pass*/, std::int64_t row, std::int64_t column,
                       Row& state) const {
    state = {score_p_.at(row, column), score_q_.at(row, column), displacement_.at(row, column)};
  }
  __device__ void advance(std::int64_t columns, Row& state) const {
    state.p += columns;
    state.q += columns;
    state.displacement += columns;
  }

  template <bool kVector>
  __device__ void quad(std::int64_t /*pass*/, int count, Number* /*z*/, Row& state,
                       double* sums) const {
    T p[4];
    T q[4];
    T e[4];
    load_quad<kVector>(state.p, count, p);
    load_quad<kVector>(state.q, count, q);
    load_quad<kVector>(state.displacement, count, e);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      p[j] -= q[j];
    }
    sums[0] += dot_quad(p, e);
  }
  __device__ double end(std::int64_t row, const Own& /*own*/, const double* results) const {
    out_[row] = static_cast<T>(results[0]);
    return results[0];
  }

 private:
  QuadMatrix<const T> score_p_;
  QuadMatrix<const T> score_q_;
  QuadMatrix<const T> displacement_;
  T* out_;
  bool vectors_;
};

// out[i,:] = -weights[i] displacement[i,:]
template <class T>
class ProductsGradientOperation : public RowOperationCuda {
 public:
  struct Own {
    T weight;
  };
  struct Row {
    T weight;
    const T* displacement;
    T* out;
  };

  ProductsGradientOperation(const T* weights, const T* displacement, std::int64_t d, T* out)
      : weights_(weights),
        displacement_(Matrix<const T>{displacement, d}),
        out_(Matrix<T>{out, d}),
        vectors_(all_aligned(displacement_, out_)) {}

  __device__ bool vectors() const { return vectors_; }
  __device__ void begin(std::int64_t row, Own& own) const { own.weight = -weights_[row]; }
  __device__ void open(const Own& own, std::int64_t /*slot*/, const Hand& hand, Row& state) const {
    state.weight = hand(own.weight);
  }
  __device__ void seek(std::int64_t /*pass*/, std::int64_t row, std::int64_t column,
                       Row& state) const {
    state.displacement = displacement_.at(row, column);
    state.out = out_.at(row, column);
  }
  __device__ void advance(std::int64_t columns, Row& state) const {
    state.displacement += columns;
    state.out += columns;
  }

  template <bool kVector>
  __device__ void quad(std::int64_t /*pass*/, int count, Number* /*z*/, Row& state,
                       double* /*sums*/) const {
    T e[4];
    load_quad<kVector>(state.displacement, count, e);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      e[j] *= state.weight;
    }
    store_quad<kVector>(state.out, count, e);
  }

 private:
  const T* weights_;
  QuadMatrix<const T> displacement_;
  QuadMatrix<T> out_;
  bool vectors_;
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
