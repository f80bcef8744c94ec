// The instantiations of the tensor kernel, and the launch of all of them.
#include "kde/kde_tensor_cuda.cuh"

namespace scf::kde {

namespace {

template <int kDims>
void launch(const TensorArguments& arguments, std::int64_t most, void* stream) {
  if (arguments.general) {
    launch_tensor<kDims, true, true>(arguments, most, stream);
  } else if (arguments.pass.partials.vectors != nullptr) {
    launch_tensor<kDims, true, false>(arguments, most, stream);
  } else {
    launch_tensor<kDims, false, false>(arguments, most, stream);
  }
}

}  // namespace

void launch_tensor_moments(const TensorArguments& arguments, std::int64_t most, void* stream) {
  const MomentsKernel kernel = tensor_kernel(arguments.pass.data.d);
  if (kernel == MomentsKernel::kSmallTensor) {
    return launch_small_tensor_moments(arguments, most, stream);
  }
  if (kernel == MomentsKernel::kStreamedTensor) {
    return launch_streamed_tensor_moments(arguments, most, stream);
  }
  switch (tensor_dims(arguments.pass.data.d)) {
    case 8:
      return launch<8>(arguments, most, stream);
    case 16:
      return launch<16>(arguments, most, stream);
    case 32:
      return launch<32>(arguments, most, stream);
    default:
      return launch<64>(arguments, most, stream);
  }
}

}  // namespace scf::kde
