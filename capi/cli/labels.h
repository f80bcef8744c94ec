// The data of one label: --label L --labels FILE.
#pragma once

#include "commands.h"

namespace scf::cli {

// Throws InputError where one of the two options lacks the other.
void check_label_options(const LabelOptions& options);

// Leaves out the data that no estimate can see: of other labels, and of weight 0.
template <class T>
void select_data(const LabelOptions& options, Dataset<T>& data);

}  // namespace scf::cli
