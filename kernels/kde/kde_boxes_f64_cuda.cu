// Evaluations by boxes that compute in double, whatever the data are.
#include "kde/kde_boxes_cuda.cuh"

namespace scf::kde {

template <class T>
void launch_box_choice_double(const BoxArguments<T>& arguments, std::int64_t most, void* stream) {
  launch_box_choice<T, double>(arguments, most, stream);
}

template <class T>
void launch_box_sums_double(const BoxArguments<T>& arguments, std::int64_t most, void* stream) {
  launch_box_sums<T, double>(arguments, most, stream);
}

template void launch_box_choice_double(const BoxArguments<float>&, std::int64_t, void*);
template void launch_box_choice_double(const BoxArguments<double>&, std::int64_t, void*);
template void launch_box_sums_double(const BoxArguments<float>&, std::int64_t, void*);
template void launch_box_sums_double(const BoxArguments<double>&, std::int64_t, void*);

}  // namespace scf::kde
