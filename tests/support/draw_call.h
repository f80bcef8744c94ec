// Draws from a KDE through the C ABI, on a KdeProblem's data and options; its queries play no part.
#pragma once

#include <scorefield/scorefield.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "support/kde_call.h"
#include "support/random_call.h"

namespace scf::test {

// The function of dtype T.
template <class T>
scf_status kde_draw(scf_context* context, const scf_kde* kde, const scf_random_params* random,
                    std::int64_t m, const scf_kde_query_params* query, T* out, std::int64_t ld,
                    std::int64_t* indices, void* workspace, std::size_t workspace_bytes,
                    void* stream);

enum class DrawOutputs { kBoth, kPoints, kIndices, kNone };

template <class T>
class DrawCall {
 public:
  DrawCall(const Context& owner, const scf_kde* prepared, const KdeProblem<T>& problem,
           const WordSource& source, DrawOutputs wanted = DrawOutputs::kBoth,
           const Layout& layout = {});
  DrawCall(DrawCall&&) = delete;

  // Asks for the workspace, allocates exactly that, draws, and waits.
  scf_status run();

  [[nodiscard]] std::vector<T> points() const { return out_.dense(); }
  [[nodiscard]] std::vector<std::int64_t> drawn() const { return indices_.dense(); }
  [[nodiscard]] bool canaries_intact() const {
    return out_.canaries_intact() && indices_.canaries_intact();
  }
  [[nodiscard]] bool outputs_untouched() const { return out_.untouched() && indices_.untouched(); }

  // What is passed; change at will.
  scf_context* context;
  const scf_kde* kde;
  scf_random_params random;
  const scf_random_params* random_pointer = &random;
  QueryBlock<T> queries;
  const scf_kde_query_params* query = &queries.params;
  std::int64_t m;
  T* out;
  std::int64_t ld;
  std::int64_t* indices;
  std::size_t* workspace_bytes;

 private:
  const Context& owner_;
  DeviceMatrix<T> out_;
  DeviceMatrix<std::int64_t> indices_;
  std::size_t bytes_ = 0;
};

template <class T>
struct DrawResults {
  std::vector<T> points;
  std::vector<std::int64_t> indices;
};

// Prepares and draws; throws where that fails or writes where it must not.
template <class T>
DrawResults<T> draw_from(const Context& context, const KdeProblem<T>& problem,
                         const WordSource& source, const Layout& layout = {});

}  // namespace scf::test
