// The tiled kernels that compute in single precision.
#include "kde/kde_launch_cuda.h"
#include "kde/kde_tiled_cuda.cuh"

namespace scf::kde {

void launch_tiled_moments_single(const PassArguments<float>& arguments, Visibility visibility,
                                 std::int64_t most, void* stream) {
  if (visibility == Visibility::kPlain) {
    launch_tiled<float, float, Pass::kMoments, Visibility::kPlain>(arguments, most, stream);
  } else {
    launch_tiled<float, float, Pass::kMoments, Visibility::kGeneral>(arguments, most, stream);
  }
}

}  // namespace scf::kde
