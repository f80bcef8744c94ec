// direction = s_p~(x) - s_q~(x), of the KDE of data and that of a generator's particles; see
// kde_dde_direction.h. Nothing is written before both scores are there for every particle: what
// fails on the way leaves the direction, and x where it lies there, as they were. Memory traffic
// beside that of the KDEs: both scores written and read, the direction written.
#include "loss/kde_dde_direction.h"

#include <algorithm>

#include "common/memory.h"
#include "kde/kde_slices.h"

namespace scf::loss {
namespace {

// The score of one KDE at all particles, a slice of them at a time.
template <class T>
class Score {
 public:
  Score(const KdeLossBackend<T>& backend, const KdeModel<T>& model, kde::Queries<T> query,
        const KdeDirectionProblem<T>& problem, T* score)
      : backend_(backend),
        model_(model),
        query_(query),
        m_(problem.m),
        length_(kde::slice_length(problem.m, problem.d)) {
    query_.x = problem.x.data;
    query_.ld = problem.x.ld;
    outputs_.score = score;
    outputs_.ld_score = problem.d;
  }

  [[nodiscard]] std::size_t workspace() const {
    const auto of = [&](std::int64_t count) {
      return backend_.evaluate_workspace(model_, kde::slice(query_, 0, count), outputs_);
    };
    return std::max(of(length_), of((m_ - 1) % length_ + 1));
  }
  void evaluate(void* workspace) const {
    for (std::int64_t first = 0; first < m_; first += length_) {
      const std::int64_t count = std::min(length_, m_ - first);
      backend_.evaluate(model_, kde::slice(query_, first, count), kde::slice(outputs_, first),
                        workspace);
    }
  }

 private:
  const KdeLossBackend<T>& backend_;
  const KdeModel<T>& model_;
  kde::Queries<T> query_;
  std::int64_t m_;
  std::int64_t length_;
  kde::Outputs<T> outputs_;
};

}  // namespace

template <class T>
void kde_dde_direction(const KdeLossBackend<T>& backend, const KdeDirectionProblem<T>& problem) {
  const std::int64_t m = problem.m;
  const std::int64_t d = problem.d;
  if (m == 0) {
    return;
  }
  struct Room {
    T* generator;
    T* data;
  };
  const auto take_room = [&](Arena& arena) {
    T* const generator = arena.take<T>(m, d);
    return Room{generator, arena.take<T>(m, d)};
  };
  Arena count(nullptr);
  (void)take_room(count);
  const BackendBlock<T> memory(backend, count.used());
  Arena arena(memory.data());
  const Room room = take_room(arena);
  const Score<T> generator(backend, problem.generator, problem.generator_query, problem,
                           room.generator);
  const Score<T> data(backend, problem.data, problem.data_query, problem, room.data);
  const BackendBlock<T> workspace(backend, std::max(generator.workspace(), data.workspace()));
  generator.evaluate(workspace.data());
  data.evaluate(workspace.data());
  backend.dde_direction(m, d, {room.generator, d}, {room.data, d}, problem.direction);
}

template void kde_dde_direction(const KdeLossBackend<float>&, const KdeDirectionProblem<float>&);
template void kde_dde_direction(const KdeLossBackend<double>&, const KdeDirectionProblem<double>&);

}  // namespace scf::loss
