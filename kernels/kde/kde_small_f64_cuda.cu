// The small-d kernels that compute in double, for data of either type.
#include "kde/kde_launch_cuda.h"
#include "kde/kde_small_cuda.cuh"

namespace scf::kde {

template <class T>
void launch_small_moments_double(const PassArguments<T>& arguments, std::int64_t most,
                                 void* stream) {
  launch_small<T, double, Visibility::kGeneral>(arguments, most, stream);
}

template void launch_small_moments_double(const PassArguments<float>&, std::int64_t, void*);
template void launch_small_moments_double(const PassArguments<double>&, std::int64_t, void*);

}  // namespace scf::kde
