// The tensor kernels of the moments, and which of them takes how many dimensions.
#include "kde/kde_tensor_cuda.cuh"

namespace scf::kde {

void launch_tensor_moments(const TensorArguments& arguments, std::int64_t most, void* stream) {
  switch (tensor_dims(arguments.pass.data.d)) {
    case 8:
      return launch_tensor<8>(arguments, most, stream);
    case 16:
      return launch_tensor<16>(arguments, most, stream);
    case 32:
      return launch_tensor<32>(arguments, most, stream);
    default:
      return launch_tensor<64>(arguments, most, stream);
  }
}

}  // namespace scf::kde
