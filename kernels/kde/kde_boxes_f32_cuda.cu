// Evaluations by boxes that compute in single precision.
#include "kde/kde_boxes_cuda.cuh"

namespace scf::kde {

void launch_box_choice_single(const BoxArguments<float>& arguments, std::int64_t most,
                              void* stream) {
  launch_box_choice<float, float>(arguments, most, stream);
}

void launch_box_sums_single(const BoxArguments<float>& arguments, std::int64_t most, void* stream) {
  launch_box_sums<float, float>(arguments, most, stream);
}

}  // namespace scf::kde
