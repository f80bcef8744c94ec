// Evaluates the KDE at a batch of queries on a CUDA device.
//
// The batch runs in sub-batches whose size only bounds the workspace. Each one is
//
//   setup        check and lay out the queries
//   boxes        [with a tolerance and an index, d <= 6] the queries of which boxes leave out most
//                data: choice, a list, sums, merge, [f32] in double those that need it; the other
//                steps are for the rest
//   screened     [f32, with a tolerance, what skips_data() says] the queries of which a screen may
//                leave out most data: a list, a screen of all data, the moments in double over the
//                data that it keeps, merge; flags queries of too many, which go on with the others
//   tensor       [where moments_kernel() is a tensor kernel] the queries that are fit for it: a
//                list, a pass over the data, merge; flags those that need more
//   moments      all others: a pass in T's precision by direct_kernel(), merge: log-density, score,
//                denoiser, divergence, sample size; flags [f32] queries whose result does not keep
//                the promise
//   survivors    [f32] those: a list, a screen of all data, the moments in double over the data
//                that it keeps, merge; flags queries of too many, for which a list and a pass in
//                double over all data
//   second order Jacobian outputs of all queries, or the divergence of those where one pass
//                cancels: a pass in double about the posterior mean, merge
//   top          the K most probable data: a pass in double, merge
//   far          the queries whose exponents are too large for all of that, from their nearest
//                datum on: one kernel, a block a query
//
// The lists live on the device, and a pass over one has the grid of the whole sub-batch: blocks
// beyond the list's end stop at once. So nothing is read back, and the call can be captured in a
// graph.
#include <algorithm>
#include <cmath>

#include "common/cuda_check.cuh"
#include "kde/kde_batch_cuda.h"
#include "kde/kde_boxes_launch_cuda.h"
#include "kde/kde_choice_cuda.h"
#include "kde/kde_cuda.h"
#include "kde/kde_survivors_launch_cuda.h"
#include "kde/kde_tensor_launch_cuda.h"

namespace scf::kde {
namespace {

// A sub-batch of more queries by boxes is sorted, so that neighbours read the same data.
constexpr std::int64_t kMostUnsorted = 128;

// Of a sub-batch that boxes may serve; no `queries`: they have no part.
struct BoxWorkspace {
  BoxQuery* queries = nullptr;
  std::int64_t* evaluated = nullptr;
  OrderRoom order;
};

// A sub-batch's share of the workspace.
template <class T>
struct Workspace {
  PreparedQueries<T> queries;
  MomentResults<T> results;
  std::int32_t* list;
  std::int32_t* list_size;
  Partials partials;
  TensorQueries tensor;   // null where the tensor kernels have no part
  std::int32_t* ordered;  // of them, by label; null where queries have none
  std::int32_t* label_counts;
  BoxWorkspace boxes;
  ScreenQueries screen;  // null where nothing is repaired
};

template <class T>
bool wants_vectors(const Outputs<T>& outputs) {
  return outputs.score != nullptr || outputs.denoised != nullptr || outputs.divergence != nullptr ||
         outputs.jacobian_product != nullptr || outputs.quadratic_form != nullptr;
}
template <class T>
bool wants_tangent(const Outputs<T>& outputs) {
  return outputs.jacobian_product != nullptr || outputs.quadratic_form != nullptr;
}
template <class T>
bool wants_second_order(const Outputs<T>& outputs) {
  return wants_tangent(outputs) || outputs.divergence != nullptr;
}
template <class T>
bool wants_moments(const Outputs<T>& outputs) {
  return wants_vectors(outputs) || outputs.log_density != nullptr ||
         outputs.effective_sample_size != nullptr;
}
template <class T>
bool wants_top(const Outputs<T>& outputs) {
  return outputs.top > 0 && (outputs.top_indices != nullptr || outputs.top_weights != nullptr);
}

// Whether a tensor kernel is to give what the first pass gives; then each query is judged.
template <class T>
bool uses_tensor(const CudaKde<T>& kde, const Queries<T>& queries, const Outputs<T>& outputs) {
  return wants_moments(outputs) &&
         is_tensor(moments_kernel(kde.traits(), queries.labels != nullptr));
}

// Whether boxes are to be tried, for the outputs of the first pass.
template <class T>
bool uses_boxes(const CudaKde<T>& kde, const Queries<T>& queries, const Outputs<T>& outputs) {
  return kde.boxes().data != nullptr && queries.tolerance > 0 && wants_moments(outputs) &&
         !wants_tangent(outputs) && !wants_top(outputs);
}

// Whether queries are repaired: those of single precision alone are, for what moments give.
template <class T>
bool uses_screen(const CudaKde<T>& kde, const Outputs<T>& outputs) {
  return kde.screen().rows != nullptr && wants_moments(outputs);
}

// Whether queries may leave out what the tolerance allows; the others' steps take all data.
template <class T>
bool skips_data(const CudaKde<T>& kde, const Queries<T>& queries, const Outputs<T>& outputs) {
  return queries.tolerance > 0 && kde.screen().indexed && uses_screen(kde, outputs) &&
         kde.dimension() >= kFirstScreenDimension && queries.labels == nullptr &&
         !wants_tangent(outputs) && !wants_top(outputs);
}

template <class T>
BatchNeeds needs_of(const CudaKde<T>& kde, const Outputs<T>& outputs) {
  BatchNeeds needs;
  needs.sums = wants_second_order(outputs) ? int{kSecondOrderSums} : int{kMomentSums};
  needs.vectors = wants_second_order(outputs) ? 2 : wants_vectors(outputs) ? 1 : 0;
  needs.top = wants_top(outputs) ? outputs.top : 0;
  needs.tangent = wants_tangent(outputs);
  if (uses_screen(kde, outputs)) {
    needs.chunk_bytes = sizeof(std::int32_t) + kSurvivors * sizeof(std::uint32_t);
    needs.query_bytes = sizeof(ScreenQuery) + sizeof(std::uint16_t) * kde.screen().columns;
  }
  return needs;
}

BoxWorkspace take_boxes(Arena& arena, std::int64_t size) {
  BoxWorkspace boxes;
  boxes.queries = arena.take<BoxQuery>(size);
  boxes.evaluated = arena.take<std::int64_t>(size);
  if (size > kMostUnsorted) {
    for (int i = 0; i < 2; ++i) {
      boxes.order.keys[i] = arena.take<std::uint64_t>(size);
      boxes.order.values[i] = arena.take<std::int64_t>(size);
    }
    boxes.order.storage_bytes = order_storage_bytes(size, kBoxKeyBits);
    boxes.order.storage = arena.take<char>(static_cast<std::int64_t>(boxes.order.storage_bytes));
  }
  return boxes;
}

// What the sub-batches of a call go through besides direct differences.
struct Methods {
  bool tensor;
  bool labels;  // of queries
  bool boxes;
  double window;  // of the screen that skips data, in log2 units; 0: none are
};

template <class T>
Methods methods_of(const CudaKde<T>& kde, const Queries<T>& queries, const Outputs<T>& outputs) {
  return {uses_tensor(kde, queries, outputs), queries.labels != nullptr,
          uses_boxes(kde, queries, outputs),
          skips_data(kde, queries, outputs) ? screen_window(kde.size(), queries.tolerance) : 0.0};
}

template <class T>
Workspace<T> take_workspace(Arena& arena, const CudaKde<T>& kde, const ChunkPlan& plan,
                            std::int64_t size, const Outputs<T>& outputs, const Methods& methods) {
  const DataView<T>& data = kde.view();
  const BatchNeeds needs = needs_of(kde, outputs);
  Workspace<T> workspace = {};
  workspace.queries = take_queries<T>(arena, size, data.pitch, needs.tangent);
  workspace.results.flags = arena.take<std::uint8_t>(size);
  if (wants_second_order(outputs)) {
    workspace.results.mean = arena.take<T>(size * data.pitch);
    workspace.results.mean_square = arena.take<double>(size);
  }
  workspace.list = arena.take<std::int32_t>(size);
  workspace.list_size = arena.take<std::int32_t>(1);
  workspace.partials = take_partials(arena, plan, size, data.pitch, needs);
  if (methods.tensor) {
    workspace.tensor.states = arena.take<TensorQuery>(size);
    workspace.tensor.operands = arena.take<std::uint16_t>(size, tensor_operand_size(data.d));
  }
  if (methods.tensor && methods.labels) {
    workspace.ordered = arena.take<std::int32_t>(size);
    workspace.label_counts = arena.take<std::int32_t>(data.class_count + 1);
  }
  if (methods.boxes) {
    workspace.boxes = take_boxes(arena, size);
  }
  if (uses_screen(kde, outputs)) {
    const std::int64_t pairs = plan.chunks * size;
    workspace.screen.queries = arena.take<ScreenQuery>(size);
    workspace.screen.operands = arena.take<std::uint16_t>(size, kde.screen().columns);
    workspace.screen.counts = arena.take<std::int32_t>(pairs);
    workspace.screen.survivors = arena.take<std::uint32_t>(pairs, kSurvivors);
  }
  return workspace;
}

template <class T>
T* advance(T* base, std::int64_t elements) {
  return base == nullptr ? nullptr : base + elements;
}

// The outputs of the queries from `first` on.
template <class T>
Outputs<T> outputs_from(Outputs<T> outputs, std::int64_t first) {
  outputs.log_density = advance(outputs.log_density, first);
  outputs.score = advance(outputs.score, first * outputs.ld_score);
  outputs.denoised = advance(outputs.denoised, first * outputs.ld_denoised);
  outputs.divergence = advance(outputs.divergence, first);
  outputs.jacobian_product = advance(outputs.jacobian_product, first * outputs.ld_jacobian_product);
  outputs.quadratic_form = advance(outputs.quadratic_form, first);
  outputs.effective_sample_size = advance(outputs.effective_sample_size, first);
  outputs.top_indices = advance(outputs.top_indices, first * outputs.top);
  outputs.top_weights = advance(outputs.top_weights, first * outputs.top);
  outputs.evaluated = advance(outputs.evaluated, first);
  outputs.method = advance(outputs.method, first);
  return outputs;
}

// One sub-batch, step by step.
template <class T>
class SubBatch {
 public:
  SubBatch(const CudaKde<T>& kde, const ChunkPlan& plan, const Workspace<T>& workspace,
           Visibility visibility, const Methods& methods, void* stream)
      : data_(kde.view()),
        tensor_data_(kde.tensor()),
        boxes_(kde.boxes()),
        screen_data_(kde.screen()),
        plan_(plan),
        workspace_(workspace),
        visibility_(visibility),
        methods_(methods),
        stream_(stream) {}

  void run(const Queries<T>& queries, const Outputs<T>& outputs, std::int64_t first,
           std::int64_t count) {
    count_ = count;
    outputs_ = outputs_from(outputs, first);
    launch_setup(data_, queries, first, count, workspace_.queries, stream_);
    if (methods_.boxes) {
      boxes(std::log2(queries.tolerance));
    }
    report();  // what boxes did, before other steps set flags of their own
    if (wants_moments(outputs)) {
      moments();
    }
    if (wants_second_order(outputs)) {
      second_order();
    }
    if (wants_top(outputs)) {
      top();
    }
    far();
  }

 private:
  static constexpr bool kSingle = sizeof(T) == sizeof(float);

  enum class Listed { kAll, kFlagged };

  [[nodiscard]] PassArguments<T> pass(Listed listed) const {
    PassArguments<T> arguments = {};
    arguments.data = data_;
    arguments.queries.states = workspace_.queries.states;
    arguments.queries.x = workspace_.queries.x;
    arguments.queries.center = workspace_.queries.center;
    arguments.queries.count = count_;
    if (listed == Listed::kFlagged) {
      arguments.queries.list = workspace_.list;
      arguments.queries.list_size = workspace_.list_size;
    }
    arguments.partials = workspace_.partials;
    arguments.chunk_length = plan_.length;
    return arguments;
  }

  void compact(std::uint8_t flags) const {
    launch_compaction(workspace_.results.flags, flags, count_, workspace_.list,
                      workspace_.list_size, stream_);
  }

  // Queries that are still to do are listed, or they are all.
  void moments() const {
    Listed listed = Listed::kAll;
    if (methods_.boxes) {
      // Where the divergence takes a second pass all is dense.
      compact(kDeclined | kSecondPass);
      listed = Listed::kFlagged;
    }
    if (methods_.window > 0) {
      screened();
      compact(kDeclined | kOverflow | kSecondPass);
      listed = Listed::kFlagged;
    }
    if (methods_.tensor) {
      tensor(listed);
      compact(kDirect);
      listed = Listed::kFlagged;
    }
    moments(listed, kSingle ? Precision::kSingle : Precision::kDouble);
    if (kSingle) {
      compact(kRefine);
      if (workspace_.screen.queries != nullptr) {
        survivors(0);
        compact(kOverflow);
      }
      moments(Listed::kFlagged, Precision::kDouble);
    }
  }

  // The queries of which a screen may leave out most data.
  void screened() const {
    if constexpr (kSingle) {
      launch_screen_choice(pass(Listed::kAll), methods_.window, workspace_.results.flags, stream_);
      compact(kChosen);
      survivors(methods_.window);
    }
  }

  // The queries that are listed; flags those that are left to do. window > 0: by the tolerance, and
  // says so; 0: as the promise asks.
  void survivors(double window) const {
    if constexpr (kSingle) {
      ScreenArguments arguments = {pass(Listed::kFlagged), screen_data_, workspace_.screen, window,
                                   data_.n};
      if (window > 0) {
        arguments.most = static_cast<std::int64_t>(kMostSurviving * static_cast<double>(data_.n));
      }
      double* const vectors = wants_vectors(outputs_) ? workspace_.partials.vectors : nullptr;
      arguments.pass.partials.vectors = vectors;
      launch_survivors(arguments, visibility_, count_, stream_);
      launch_merge_moments(arguments.pass, count_, Precision::kSurvivors, TensorMerge{}, outputs_,
                           workspace_.results, stream_);
      if (window > 0) {
        launch_survivors_report(arguments, count_, workspace_.results.flags, outputs_.evaluated,
                                outputs_.method, stream_);
      }
    }
  }

  void moments(Listed listed, Precision precision) const {
    PassArguments<T> arguments = pass(listed);
    arguments.partials.vectors = wants_vectors(outputs_) ? workspace_.partials.vectors : nullptr;
    run_moments(arguments, precision, visibility_, count_, stream_);
    launch_merge_moments(arguments, count_, precision, TensorMerge{}, outputs_, workspace_.results,
                         stream_);
  }

  // Queries that boxes serve lose their flags, or keep those that say what is left to do.
  void boxes(double log2_tolerance) const {
    BoxArguments<T> arguments = {};
    arguments.boxes = boxes_;
    arguments.log2_tolerance = log2_tolerance;
    arguments.queries = workspace_.boxes.queries;
    arguments.flags = workspace_.results.flags;
    arguments.evaluated = workspace_.boxes.evaluated;
    boxes(arguments, Listed::kAll, kSingle ? Precision::kSingle : Precision::kDouble);
    if (kSingle) {
      compact(kRefine);
      boxes(arguments, Listed::kFlagged, Precision::kDouble);
    }
  }

  void boxes(BoxArguments<T> arguments, Listed listed, Precision precision) const {
    const auto set_pass = [&](Listed of) {
      arguments.pass = pass(of);
      arguments.pass.partials.chunks = 1;
      arguments.pass.partials.vectors =
          wants_vectors(outputs_) ? workspace_.partials.vectors : nullptr;
    };
    const OrderRoom& order = workspace_.boxes.order;
    const bool sorted = listed == Listed::kAll && count_ > kMostUnsorted;
    set_pass(listed);
    arguments.keys = sorted ? order.keys[0] : nullptr;
    arguments.values = sorted ? order.values[0] : nullptr;
    run_box_choice(arguments, precision, count_, stream_);
    if (sorted) {
      launch_list(launch_sort(order, count_, kBoxKeyBits, stream_), count_, kDeclinedKey,
                  workspace_.list, workspace_.list_size, stream_);
    } else {
      compact(kChosen);
    }
    set_pass(Listed::kFlagged);
    run_box_sums(arguments, precision, count_, stream_);
    launch_merge_moments(arguments.pass, count_, precision, TensorMerge{}, outputs_,
                         workspace_.results, stream_);
  }

  // Of queries that go through the screen, survivors() says what became of them.
  void report() const {
    if (methods_.boxes) {
      launch_box_report(count_, data_.n, workspace_.boxes.evaluated, workspace_.results.flags,
                        kDeclined | kFar | kSecondPass, outputs_.evaluated, outputs_.method,
                        stream_);
    } else {
      launch_dense_report(count_, data_.n, outputs_.evaluated, outputs_.method, stream_);
    }
  }

  // Flags the queries that are listed, kDirect those that are left to do.
  void tensor(Listed listed) const {
    if constexpr (kSingle) {
      const bool squares = outputs_.effective_sample_size != nullptr;
      TensorArguments arguments = {pass(listed), tensor_data_, workspace_.tensor,
                                   visibility_ == Visibility::kGeneral || squares, squares};
      double* const vectors = wants_vectors(outputs_) ? workspace_.partials.vectors : nullptr;
      arguments.pass.partials.vectors = vectors;
      launch_tensor_queries(arguments.pass, tensor_data_, workspace_.tensor,
                            workspace_.results.flags, stream_);
      compact(kTensor);
      arguments.pass = pass(Listed::kFlagged);
      arguments.pass.partials.vectors = vectors;
      if (workspace_.ordered != nullptr) {
        launch_tensor_order(arguments.pass, workspace_.label_counts, workspace_.ordered, stream_);
        arguments.pass.queries.list = workspace_.ordered;
      }
      launch_tensor_levels(arguments, count_, stream_);
      launch_tensor_moments(arguments, count_, stream_);
      const TensorMerge merge = {workspace_.tensor.states, tensor_data_.unit, tensor_data_.radius};
      launch_merge_moments(arguments.pass, count_, Precision::kTensor, merge, outputs_,
                           workspace_.results, stream_);
    }
  }

  void second_order() const {
    const bool all = wants_tangent(outputs_);
    if (!all) {
      compact(kSecondPass);
    }
    PassArguments<T> arguments = pass(all ? Listed::kAll : Listed::kFlagged);
    arguments.queries.center = workspace_.results.mean;
    arguments.queries.mean_square = workspace_.results.mean_square;
    // Without a tangent, anything finite of the right shape: what is made of it is not written.
    arguments.queries.tangent = all ? workspace_.queries.tangent : workspace_.queries.x;
    launch_tiled_double(arguments, Pass::kSecondOrder, count_, stream_);
    launch_merge_second_order(arguments, count_, outputs_, stream_);
  }

  void top() const {
    const PassArguments<T> arguments = pass(Listed::kAll);
    launch_tiled_double(arguments, Pass::kTop, count_, stream_);
    launch_merge_top(arguments, count_, outputs_,
                     wants_moments(outputs_) ? nullptr : workspace_.results.flags, stream_);
  }

  void far() const {
    const Partials& partials = workspace_.partials;
    FarArguments<T> arguments = {};
    arguments.data = data_;
    arguments.states = workspace_.queries.states;
    arguments.x = workspace_.queries.x;
    arguments.tangent = workspace_.queries.tangent;
    arguments.flags = workspace_.results.flags;
    arguments.count = count_;
    arguments.vectors = wants_vectors(outputs_) ? partials.vectors : nullptr;
    arguments.vector_pitch = data_.pitch;
    arguments.product_at = partials.vector_at(1, 0, 0);
    arguments.outputs = outputs_;
    launch_far(arguments, stream_);
  }

  const DataView<T>& data_;
  const TensorData& tensor_data_;
  const BoxView<T>& boxes_;
  const ScreenData& screen_data_;
  const ChunkPlan& plan_;
  const Workspace<T>& workspace_;
  Visibility visibility_;
  Methods methods_;
  void* stream_;
  std::int64_t count_ = 0;
  Outputs<T> outputs_;
};

template <class T>
Visibility visibility_of(const DataView<T>& data, const Queries<T>& queries) {
  const bool plain =
      data.weight_factors == nullptr && queries.skip == nullptr && queries.labels == nullptr;
  return plain ? Visibility::kPlain : Visibility::kGeneral;
}

}  // namespace

template <class T>
std::size_t kde_evaluate_workspace_cuda(const CudaContext& context, const CudaKde<T>& kde,
                                        const Queries<T>& queries, const Outputs<T>& outputs) {
  const CudaDeviceScope scope(context.device());
  const DataView<T>& data = kde.view();
  const ChunkPlan plan = chunk_plan(data.n, data.d);
  Arena arena(nullptr);
  (void)take_workspace(arena, kde, plan,
                       sub_batch_size(data, plan, queries.m, needs_of(kde, outputs)), outputs,
                       methods_of(kde, queries, outputs));
  return arena.used();
}

template <class T>
void kde_evaluate_cuda(const CudaContext& context, const CudaKde<T>& kde, const Queries<T>& queries,
                       const Outputs<T>& outputs, void* workspace, void* stream) {
  const CudaDeviceScope scope(context.device());
  const DataView<T>& data = kde.view();
  const ChunkPlan plan = chunk_plan(data.n, data.d);
  const std::int64_t size = sub_batch_size(data, plan, queries.m, needs_of(kde, outputs));
  Arena arena(workspace);
  const Visibility visibility = visibility_of(data, queries);
  const Methods methods = methods_of(kde, queries, outputs);
  const Workspace<T> pieces = take_workspace(arena, kde, plan, size, outputs, methods);
  SubBatch<T> batch(kde, plan, pieces, visibility, methods, stream);
  for (std::int64_t first = 0; first < queries.m; first += size) {
    batch.run(queries, outputs, first, std::min(size, queries.m - first));
  }
}

template std::size_t kde_evaluate_workspace_cuda(const CudaContext&, const CudaKde<float>&,
                                                 const Queries<float>&, const Outputs<float>&);
template std::size_t kde_evaluate_workspace_cuda(const CudaContext&, const CudaKde<double>&,
                                                 const Queries<double>&, const Outputs<double>&);
template void kde_evaluate_cuda(const CudaContext&, const CudaKde<float>&, const Queries<float>&,
                                const Outputs<float>&, void*, void*);
template void kde_evaluate_cuda(const CudaContext&, const CudaKde<double>&, const Queries<double>&,
                                const Outputs<double>&, void*, void*);

}  // namespace scf::kde
