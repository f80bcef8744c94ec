// The evaluations that kde_debias.h is made of, for both backends: a slice of the queries at a
// time, so that the workspace is bounded. A backend gives its own evaluation as callables.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "common/error.h"
#include "common/memory.h"
#include "kde/kde.h"
#include "kde/kde_debias_math.h"
#include "kde/kde_slices.h"

namespace scf::kde {

// Bytes of workspace that serve every slice of m >= 1 queries; `workspace(slice)` are those of one.
template <class T, class Workspace>
std::size_t slices_workspace(const Queries<T>& queries, std::int64_t d,
                             const Workspace& workspace) {
  const std::int64_t length = slice_length(queries.m, d);
  return std::max(workspace(slice(queries, 0, length)),
                  workspace(slice(queries, 0, (queries.m - 1) % length + 1)));
}

// body(slice, index of its first query), one after the other.
template <class T, class Body>
void for_each_slice(const Queries<T>& queries, std::int64_t d, const Body& body) {
  const std::int64_t length = slice_length(queries.m, d);
  for (std::int64_t first = 0; first < queries.m; first += length) {
    body(slice(queries, first, std::min(length, queries.m - first)), first);
  }
}

// ---- Data moved by their own score -------------------------------------------------------------

// The data as queries, a datum among those of its label; `labels` are the data's, or null.
template <class T>
Queries<T> own_queries(const Dataset<T>& data, const std::int32_t* labels, double bandwidth) {
  Queries<T> queries;
  queries.x = data.data;
  queries.m = data.n;
  queries.ld = data.ld;
  queries.bandwidth = bandwidth;
  queries.labels = labels;
  return queries;
}

// What a move is made of, into rows of d elements.
template <class T>
Outputs<T> outputs_of(const Move& move, T* rows, std::int64_t d) {
  Outputs<T> outputs;
  (move.by_score ? outputs.score : outputs.denoised) = rows;
  outputs.ld_score = outputs.ld_denoised = d;
  return outputs;
}

// What prepare() gives of the moved data, whose errors say that it is not the caller's own that
// they are about.
template <class Prepare>
auto prepare_moved(const Prepare& prepare) {
  try {
    return prepare();
  } catch (const Error& error) {
    throw Error(error.status(), std::string("of the moved data: ") + error.what());
  }
}

// ---- The Laplacian -----------------------------------------------------------------------------

// What of a slice the Laplacian is made of, and the workspace of the evaluation that says so.
template <class T>
struct LaplaceRoom {
  Outputs<T> outputs;  // log-density, score [length, d], divergence
  void* evaluation;
};

template <class T>
LaplaceRoom<T> take_laplace_room(Arena& arena, std::int64_t length, std::int64_t d) {
  LaplaceRoom<T> room;
  room.outputs.log_density = arena.take<T>(length);
  room.outputs.score = arena.take<T>(length, d);
  room.outputs.ld_score = d;
  room.outputs.divergence = arena.take<T>(length);
  room.evaluation = arena.take<char>(0);
  return room;
}

// Bytes of workspace; `workspace(queries, outputs)` are those of an evaluation.
template <class T, class Workspace>
std::size_t laplace_workspace(const Queries<T>& queries, std::int64_t d,
                              const Workspace& workspace) {
  if (queries.m == 0) {
    return 0;
  }
  Arena arena(nullptr);
  Outputs<T> outputs = take_laplace_room<T>(arena, slice_length(queries.m, d), d).outputs;
  T present = 0;  // that an output is asked for is all that counts here
  outputs.log_density = outputs.score = outputs.divergence = &present;
  const std::size_t bytes = slices_workspace(
      queries, d, [&](const Queries<T>& part) { return workspace(part, outputs); });
  (void)arena.take<char>(static_cast<std::int64_t>(bytes));
  return arena.used();
}

// evaluate(slice, room), then finish(slice, first, room.outputs), for every slice of m >= 1
// queries.
template <class T, class Evaluate, class Finish>
void laplace_in_slices(const Queries<T>& queries, std::int64_t d, void* workspace,
                       const Evaluate& evaluate, const Finish& finish) {
  Arena arena(workspace);
  const auto room = take_laplace_room<T>(arena, slice_length(queries.m, d), d);
  for_each_slice(queries, d, [&](const Queries<T>& part, std::int64_t first) {
    evaluate(part, room);
    finish(part, first, room.outputs);
  });
}

}  // namespace scf::kde
