#include "support/draw_call.h"

#include <stdexcept>

namespace scf::test {

template <>
scf_status kde_draw(scf_context* context, const scf_kde* kde, const scf_random_params* random,
                    std::int64_t m, const scf_kde_query_params* query, float* out, std::int64_t ld,
                    std::int64_t* indices, void* workspace, std::size_t workspace_bytes,
                    void* stream) {
  return scf_kde_draw_f32(context, kde, random, m, query, out, ld, indices, workspace,
                          workspace_bytes, stream);
}
template <>
scf_status kde_draw(scf_context* context, const scf_kde* kde, const scf_random_params* random,
                    std::int64_t m, const scf_kde_query_params* query, double* out, std::int64_t ld,
                    std::int64_t* indices, void* workspace, std::size_t workspace_bytes,
                    void* stream) {
  return scf_kde_draw_f64(context, kde, random, m, query, out, ld, indices, workspace,
                          workspace_bytes, stream);
}

template <class T>
DrawCall<T>::DrawCall(const Context& owner, const scf_kde* prepared, const KdeProblem<T>& problem,
                      const WordSource& source, DrawOutputs wanted, const Layout& layout)
    : context(owner.get()),
      kde(prepared),
      random(random_params(source)),
      queries(owner, problem, layout),
      m(problem.m),
      workspace_bytes(&bytes_),
      owner_(owner),
      out_(owner, (wanted == DrawOutputs::kBoth || wanted == DrawOutputs::kPoints) && problem.m > 0,
           problem.m, problem.d, problem.d + layout.output_gap, layout.misalignment),
      indices_(owner,
               (wanted == DrawOutputs::kBoth || wanted == DrawOutputs::kIndices) && problem.m > 0,
               1, problem.m, problem.m) {
  out = out_.data();
  ld = out_.ld();
  indices = indices_.data();
}

template <class T>
scf_status DrawCall<T>::run() {
  const scf_status status = scf_kde_draw_workspace(context, kde, m, query, workspace_bytes);
  if (status != SCF_SUCCESS) return status;
  const DeviceBlock workspace(owner_, bytes_, DeviceBlock::Guards::kCanaries);
  const scf_status drawn = kde_draw<T>(context, kde, random_pointer, m, query, out, ld, indices,
                                       workspace.data(), bytes_, nullptr);
  owner_.synchronize();
  if (!workspace.guards_intact()) throw std::runtime_error("wrote outside of the workspace");
  return drawn;
}

template <class T>
DrawResults<T> draw_from(const Context& context, const KdeProblem<T>& problem,
                         const WordSource& source, const Layout& layout) {
  const PreparedKde<T> kde(context, problem, layout);
  DrawCall<T> call(context, kde.get(), problem, source, DrawOutputs::kBoth, layout);
  require_success(call.run(), "scf_kde_draw");
  if (!call.canaries_intact()) throw std::runtime_error("wrote outside of the outputs");
  return {call.points(), call.drawn()};
}

template class DrawCall<float>;
template class DrawCall<double>;
template DrawResults<float> draw_from(const Context&, const KdeProblem<float>&, const WordSource&,
                                      const Layout&);
template DrawResults<double> draw_from(const Context&, const KdeProblem<double>&, const WordSource&,
                                       const Layout&);

}  // namespace scf::test
