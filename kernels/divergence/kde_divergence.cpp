// Divergences of two KDEs; see kde_divergence.h.
//
//   evaluate   p and q at the points of p, and at those of q where the divergence takes them: of
//   the
//              log-densities and scores what it needs, a slice of the points at a time
//   diverge    value, standard error, integrands; with gradients by log q and s_q where d/d log h
//              is wanted
//   slope      d value / d log h = sum_i ( g_i d log q(x_i) + u_i . d s_q(x_i) ) / d log h, g and u
//              those gradients; kde_gradient gives the terms, query by query
//
// Local variance of f = log p - log q: products J_f e = (s_p - s_q) . e with displacements e =
// epsilon z, so that its gradient by s_q is that by the products times -e.
#include "divergence/kde_divergence.h"

#include <algorithm>
#include <vector>

#include "common/memory.h"
#include "kde/kde_slices.h"

namespace scf::divergence {
namespace {

template <class T>
class Run {
 public:
  Run(const KdeDivergenceBackend<T>& backend, const KdeDivergenceProblem<T>& problem)
      : backend_(backend),
        problem_(problem),
        needs_(needs_of(problem.divergence)),
        gradient_(problem.log_bandwidth_gradient != nullptr) {
    Arena count(nullptr);
    take_room(count);
    memory_ = loss::BackendBlock<T>(backend_.kde(), count.used());
    Arena arena(memory_.data());
    take_room(arena);
    kde_workspace_ = loss::BackendBlock<T>(backend_.kde(), kde_workspace_bytes());
  }

  void run() const {
    for (const Set& set : sets()) {
      evaluate(*set.points, problem_.p, set.points->p_query, set.room.log_p, set.room.score_p);
      evaluate(*set.points, problem_.q, set.points->q_query, set.room.log_q, set.room.score_q);
    }
    if (problem_.divergence == Divergence::kLocalVariance) {
      run_local_variance();
    } else {
      backend_.diverge(problem_.divergence, kernel_points(of_p_), kernel_points(of_q_),
                       problem_.outputs, workspace_);
    }
    if (gradient_) {
      backend_.kde().clear(problem_.log_bandwidth_gradient, sizeof(double));
      for (const Set& set : sets()) {
        add_slope(set);
      }
    }
  }

 private:
  // What is kept of a set of points; null where there is no use for it.
  struct Room {
    T* log_p;             // [m]
    T* log_q;             // [m]
    T* score_p;           // [m, d]
    T* score_q;           // [m, d]
    T* log_q_gradient;    // [m]
    T* score_q_gradient;  // [m, d]
    T* log_bandwidths;    // [m]
  };
  struct Set {
    const KdePoints<T>* points;
    Room room;
  };

  [[nodiscard]] std::vector<Set> sets() const {
    return needs_.points_of_q ? std::vector<Set>{of_p_, of_q_} : std::vector<Set>{of_p_};
  }

  [[nodiscard]] Room room_of(Arena& arena, std::int64_t m) const {
    const auto vector = [&](bool wanted) { return wanted ? arena.take<T>(m) : nullptr; };
    const auto rows = [&](bool wanted) { return wanted ? arena.take<T>(m, problem_.d) : nullptr; };
    Room room = {};
    room.log_p = vector(needs_.log_densities);
    room.log_q = vector(needs_.log_densities);
    room.score_p = rows(needs_.scores);
    room.score_q = rows(needs_.scores);
    room.log_q_gradient = vector(needs_.log_densities && gradient_);
    room.score_q_gradient = rows(needs_.scores && gradient_);
    room.log_bandwidths = vector(gradient_);
    return room;
  }

  void take_room(Arena& arena) {
    const std::int64_t m = problem_.points_of_p.m;
    const std::int64_t n = needs_.points_of_q ? problem_.points_of_q.m : 0;
    of_p_ = {&problem_.points_of_p, room_of(arena, m)};
    of_q_ = {&problem_.points_of_q, room_of(arena, n)};
    if (problem_.divergence == Divergence::kLocalVariance) {
      displacement_ = arena.take<T>(m, problem_.d);
      products_ = arena.take<T>(m);
      products_gradient_ = gradient_ ? arena.take<T>(m) : nullptr;
    }
    const std::int64_t d = needs_.scores ? problem_.d : 0;
    workspace_ = arena.take<char>(static_cast<std::int64_t>(backend_.workspace(m, n, d)));
  }

  // ---- The KDEs, a slice of the points at a time

  [[nodiscard]] kde::Queries<T> queries(const KdePoints<T>& points, kde::Queries<T> query,
                                        std::int64_t first, std::int64_t count) const {
    query.x = points.x;
    query.ld = points.ld;
    return kde::slice(query, first, count);
  }
  [[nodiscard]] kde::Outputs<T> outputs(T* log_density, T* score) const {
    kde::Outputs<T> outputs;
    outputs.log_density = log_density;
    outputs.score = score;
    outputs.ld_score = problem_.d;
    return outputs;
  }
  [[nodiscard]] kde::Gradients<T> gradients(const Room& room) const {
    kde::Gradients<T> gradients;
    gradients.log_density_weights = room.log_q_gradient;
    gradients.score_weights = room.score_q_gradient;
    gradients.ld_score_weights = problem_.d;
    gradients.log_bandwidths = room.log_bandwidths;
    return gradients;
  }

  // Calls body(first, count) for the slices of m points.
  template <class Body>
  void for_slices(std::int64_t m, const Body& body) const {
    const std::int64_t length = kde::slice_length(m, problem_.d);
    for (std::int64_t first = 0; first < m; first += length) {
      body(first, std::min(length, m - first));
    }
  }

  // The largest that any call of a run needs: that of a whole slice or of the last.
  [[nodiscard]] std::size_t kde_workspace_bytes() const {
    const loss::KdeLossBackend<T>& kde = backend_.kde();
    std::size_t bytes = 0;
    for (const Set& set : sets()) {
      const KdePoints<T>& points = *set.points;
      for_slices(points.m, [&](std::int64_t first, std::int64_t count) {
        if (first > 0 && first + count < points.m) {
          return;
        }
        const Room& room = set.room;
        const auto of_p = queries(points, points.p_query, first, count);
        const auto of_q = queries(points, points.q_query, first, count);
        bytes = std::max(
            bytes, kde.evaluate_workspace(problem_.p, of_p, outputs(room.log_p, room.score_p)));
        bytes = std::max(
            bytes, kde.evaluate_workspace(problem_.q, of_q, outputs(room.log_q, room.score_q)));
        if (gradient_) {
          bytes = std::max(bytes, kde.gradient_workspace(problem_.q, of_q, gradients(room)));
        }
      });
    }
    return bytes;
  }

  void evaluate(const KdePoints<T>& points, const loss::KdeModel<T>& model,
                const kde::Queries<T>& query, T* log_density, T* score) const {
    for_slices(points.m, [&](std::int64_t first, std::int64_t count) {
      backend_.kde().evaluate(model, queries(points, query, first, count),
                              kde::slice(outputs(log_density, score), first),
                              kde_workspace_.data());
    });
  }

  void add_slope(const Set& set) const {
    const KdePoints<T>& points = *set.points;
    for_slices(points.m, [&](std::int64_t first, std::int64_t count) {
      backend_.kde().gradient(problem_.q, queries(points, points.q_query, first, count),
                              kde::slice(gradients(set.room), first), kde_workspace_.data());
    });
    if (points.m > 0) {
      backend_.kde().add_sum(set.room.log_bandwidths, nullptr, points.m,
                             problem_.log_bandwidth_gradient);
    }
  }

  // ---- The divergence

  [[nodiscard]] Points<T> kernel_points(const Set& set) const {
    const std::int64_t d = problem_.d;
    Points<T> points;
    points.m = needs_.points_of_q || set.points == &problem_.points_of_p ? set.points->m : 0;
    points.d = needs_.scores ? d : 0;
    points.log_p = set.room.log_p;
    points.log_q = set.room.log_q;
    points.score_p = set.room.score_p;
    points.ld_score_p = d;
    points.score_q = set.room.score_q;
    points.ld_score_q = d;
    points.integrand = set.points->integrand;
    points.ld_integrand = d;
    points.log_q_gradient = set.room.log_q_gradient;
    points.score_q_gradient = set.room.score_q_gradient;
    points.ld_score_q_gradient = d;
    return points;
  }

  void run_local_variance() const {
    const std::int64_t m = problem_.points_of_p.m;
    const std::int64_t d = problem_.d;
    const Room& room = of_p_.room;
    if (m > 0) {
      if (problem_.noise.data == nullptr) {
        backend_.normal(problem_.words, m, d, displacement_);
      } else {
        backend_.kde().copy_rows(problem_.noise, nullptr, T(0), m, d, displacement_);
      }
      backend_.kde().scale(displacement_, problem_.epsilon, m * d, displacement_);
      backend_.products(room.score_p, room.score_q, displacement_, m, d, products_);
    }
    LocalVariancePoints<T> points;
    points.m = m;
    points.d = d;
    points.c = 1;
    points.displacement = displacement_;
    points.ld_displacement = d;
    points.f_displaced = products_;
    points.ld_f_displaced = 1;
    points.integrand = problem_.points_of_p.integrand;
    points.f_displaced_gradient = products_gradient_;
    points.ld_f_displaced_gradient = 1;
    backend_.local_variance(points, problem_.outputs, workspace_);
    if (gradient_ && m > 0) {
      backend_.products_gradient(products_gradient_, displacement_, m, d, room.score_q_gradient);
    }
  }

  const KdeDivergenceBackend<T>& backend_;
  const KdeDivergenceProblem<T>& problem_;
  Needs needs_;
  bool gradient_;
  loss::BackendBlock<T> memory_;
  loss::BackendBlock<T> kde_workspace_;
  Set of_p_ = {};
  Set of_q_ = {};
  T* displacement_ = nullptr;       // [m, d]
  T* products_ = nullptr;           // [m]
  T* products_gradient_ = nullptr;  // [m]
  void* workspace_ = nullptr;
};

}  // namespace

template <class T>
void kde_divergence(const KdeDivergenceBackend<T>& backend,
                    const KdeDivergenceProblem<T>& problem) {
  Run<T>(backend, problem).run();
}

template void kde_divergence(const KdeDivergenceBackend<float>&,
                             const KdeDivergenceProblem<float>&);
template void kde_divergence(const KdeDivergenceBackend<double>&,
                             const KdeDivergenceProblem<double>&);

}  // namespace scf::divergence
