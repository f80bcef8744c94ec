// The tiled kernels that compute in double, for data of either type.
#include "kde/kde_launch_cuda.h"
#include "kde/kde_tiled_cuda.cuh"

namespace scf::kde {

template <class T>
void launch_tiled_double(const PassArguments<T>& arguments, Pass pass, std::int64_t most,
                         void* stream) {
  switch (pass) {
    case Pass::kMoments:
      return launch_tiled<T, double, Pass::kMoments, Visibility::kGeneral>(arguments, most, stream);
    case Pass::kSecondOrder:
      return launch_tiled<T, double, Pass::kSecondOrder, Visibility::kGeneral>(arguments, most,
                                                                               stream);
    case Pass::kTop:
      return launch_tiled<T, double, Pass::kTop, Visibility::kGeneral>(arguments, most, stream);
    case Pass::kBandwidth:
      return launch_tiled<T, double, Pass::kBandwidth, Visibility::kGeneral>(arguments, most,
                                                                             stream);
  }
}

template void launch_tiled_double(const PassArguments<float>&, Pass, std::int64_t, void*);
template void launch_tiled_double(const PassArguments<double>&, Pass, std::int64_t, void*);

}  // namespace scf::kde
