// The small-d kernels that compute in single precision.
#include "kde/kde_launch_cuda.h"
#include "kde/kde_small_cuda.cuh"

namespace scf::kde {

void launch_small_moments_single(const PassArguments<float>& arguments, Visibility visibility,
                                 std::int64_t most, void* stream) {
  if (visibility == Visibility::kPlain) {
    launch_small<float, float, Visibility::kPlain>(arguments, most, stream);
  } else {
    launch_small<float, float, Visibility::kGeneral>(arguments, most, stream);
  }
}

}  // namespace scf::kde
