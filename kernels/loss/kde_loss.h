// Losses of a KDE as the model, with the derivative of their mean with respect to log h: the points
// are made, the KDE evaluated there, the loss taken, and its gradients with respect to the KDE's
// outputs given to the KDE's own gradient. Public header: the last part of loss.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "loss/kde_loss_backend.h"

namespace scf::loss {

// The SCF_LOSS_* of the public header.
enum class KdeLossKind : std::int32_t {
  kEsm = 0,
  kIsm = 1,
  kDsm = 2,
  kSsm = 3,
  kFdssm = 4,
  kFdssmScore = 5,
  kFddsm = 6,
  kDde = 7,
  kLikelihood = 8,
};

// Everything that a loss is taken of. `query` and `data_query` have no points of their own: the
// loss makes them. data_kde and data_query are ESM's.
template <class T>
struct KdeLossProblem {
  KdeLossKind loss = KdeLossKind::kEsm;
  Settings<T> settings;
  Matrix<const T> x;  // [m, ld]
  std::int64_t m = 0;
  std::int64_t d = 0;
  KdeModel<T> kde;
  kde::Queries<T> query;
  KdeModel<T> data_kde;
  kde::Queries<T> data_query;
};

// Where results go; null ones are not computed.
template <class T>
struct KdeLossResults {
  T* values = nullptr;  // [m]
  double* mean = nullptr;
  double* standard_error = nullptr;
  double* log_bandwidth_gradient = nullptr;
};

// A loss at one bandwidth after another, with the same points. Takes its memory, and makes the
// points, when it is made; a run allocates nothing.
template <class T>
class KdeLoss {
 public:
  enum class Gradient { kNone, kWanted };
  KdeLoss(const KdeLossBackend<T>& backend, const KdeLossProblem<T>& problem, Gradient gradient);

  // Of the queries' bandwidth; where they have bandwidths of their own, it is not used.
  void set_bandwidth(double bandwidth) { problem_.query.bandwidth = bandwidth; }
  void run(const KdeLossResults<T>& results);

 private:
  // Arrays of queries with masked ones set aside; null where there is nothing to set aside.
  struct QueryRoom {
    T* bandwidths;         // [m]
    T* signal_scales;      // [m]
    std::int64_t* skip;    // [m]
    std::int32_t* labels;  // [m]
  };
  // What a loss keeps of its samples; null where it has no use for it.
  struct Room {
    T* x;              // [m, d], masked rows cleared
    T* sigmas;         // [m], masked ones 1
    T* signal_scales;  // the same
    QueryRoom query;   // of the two KDEs
    QueryRoom data_query;
    T* points[2];       // [m, d], perturbed
    T* probes;          // [m, d]
    T* data_score;      // [m, d]
    T* scores[2];       // [m, d]; the loss leaves its gradients there
    T* products;        // [m, d]
    T* scalars[3];      // [m], log-densities or a divergence
    T* gradients[3];    // [m], of those
    T* zeros;           // [m]
    T* log_bandwidths;  // [m]
    double* sums;       // [m], over probes
    void* loss_workspace;
  };

  [[nodiscard]] Room take_room(Arena& arena) const;
  [[nodiscard]] std::size_t kde_workspace_bytes() const;
  [[nodiscard]] QueryRoom take_query_room(Arena& arena, const kde::Queries<T>& query) const;
  void set_masked_aside();
  void set_masked_aside(const QueryRoom& room, kde::Queries<T>& query) const;
  void make_points();
  [[nodiscard]] Matrix<const T> points(int index) const;
  [[nodiscard]] kde::Outputs<T> wanted_outputs(int index) const;
  [[nodiscard]] kde::Gradients<T> wanted_gradients(int index) const;
  [[nodiscard]] Batch<T> batch(const KdeLossResults<T>& results) const;

  void evaluate(const KdeModel<T>& model, const kde::Queries<T>& query,
                const Matrix<const T>& points, const kde::Outputs<T>& outputs) const;
  void add_gradient(int index, const Matrix<const T>& tangent, double* total);
  void run_scores(const KdeLossResults<T>& results);
  void run_densities(const KdeLossResults<T>& results);
  void run_likelihood(const KdeLossResults<T>& results);
  void run_ssm(const KdeLossResults<T>& results);
  void run_probe(std::int64_t k, const KdeLossResults<T>& results);
  void summarise(const T* values, double gradient_scale, const KdeLossResults<T>& results,
                 T* gradient) const;

  const KdeLossBackend<T>& backend_;
  KdeLossProblem<T> problem_;
  bool gradient_;
  bool total_started_ = false;  // whether the slope of this run holds anything yet
  std::int64_t chunk_;          // queries that the KDE sees at a time
  BackendBlock<T> memory_;
  Room room_ = {};
  BackendBlock<T> kde_workspace_;
};

}  // namespace scf::loss
