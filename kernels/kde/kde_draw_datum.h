// Which datum a uniform number draws, for both backends: inverse CDF over the prefix sums of
// kde_draw.h, O(log n) reads. A query of any label draws a class first, by the same rule over the
// classes' totals, and a datum of it with what is left of the same number.
#pragma once

#include <cstdint>

#include "common/host_device.h"
#include "kde/kde.h"
#include "kde/kde_draw.h"

namespace scf::kde {

struct DrawnDatum {
  std::int64_t position;  // -1 with a status
  std::uint32_t status;   // StatusBits
};

namespace draw {

// Items [begin, end) whose prefix sums start anew beyond the pivot; `removed` is taken from the
// weight of item `at` (-1: none), which is not the pivot.
struct Items {
  const double* prefix;
  std::int64_t begin;
  std::int64_t pivot;
  std::int64_t end;
  double pivot_weight;
  std::int64_t at;
  double removed;
};

SCF_HOST_DEVICE inline double weight_before(const Items& items) {
  const double sum = items.pivot > items.begin ? items.prefix[items.pivot - 1] : 0;
  return items.at >= 0 && items.at < items.pivot ? sum - items.removed : sum;
}

SCF_HOST_DEVICE inline double weight_after(const Items& items) {
  const double sum = items.end > items.pivot + 1 ? items.prefix[items.end - 1] : 0;
  return items.at > items.pivot ? sum - items.removed : sum;
}

SCF_HOST_DEVICE inline double total_of(const Items& items) {
  return weight_before(items) + items.pivot_weight + weight_after(items);
}

// Prefix sum of item k of the run that starts at `low`, with the removed weight gone.
SCF_HOST_DEVICE inline double sum_to(const Items& items, std::int64_t low, std::int64_t k) {
  if (k < low) {
    return 0;
  }
  const double sum = items.prefix[k];
  return items.at >= low && items.at <= k ? sum - items.removed : sum;
}

struct Choice {
  std::int64_t item;
  double rest;  // of the number, within the item's weight
};

// The first item of the run [low, high) whose prefix sum exceeds t; where rounding has left none,
// or one without weight, the nearest that has some. -1: none has.
SCF_HOST_DEVICE inline Choice choose_in_run(const Items& items, std::int64_t low, std::int64_t high,
                                            double t) {
  // Without branches on the sums, which are as good as random.
  std::int64_t first = low;
  for (std::int64_t size = high - low; size > 0;) {
    const std::int64_t half = size / 2;
    const bool beyond = !(sum_to(items, low, first + half) > t);
    first = beyond ? first + half + 1 : first;
    size = beyond ? size - half - 1 : half;
  }
  const auto has_weight = [&](std::int64_t k) {
    return sum_to(items, low, k) - sum_to(items, low, k - 1) > 0;
  };
  std::int64_t k = first < high ? first : high - 1;
  while (k >= low && !has_weight(k)) {
    --k;
  }
  if (k < low) {
    k = first + 1;
    while (k < high && !has_weight(k)) {
      ++k;
    }
  }
  return k >= low && k < high ? Choice{k, t - sum_to(items, low, k - 1)} : Choice{-1, 0};
}

// The item at t in [0, total).
SCF_HOST_DEVICE inline Choice choose(const Items& items, double t) {
  const double before = weight_before(items);
  if (t < before) {
    const Choice choice = choose_in_run(items, items.begin, items.pivot, t);
    if (choice.item >= 0) {
      return choice;
    }
  }
  t = t > before ? t - before : 0;
  if (t < items.pivot_weight) {
    return {items.pivot, t};
  }
  const Choice choice = choose_in_run(items, items.pivot + 1, items.end, t - items.pivot_weight);
  if (choice.item >= 0) {
    return choice;
  }
  if (items.pivot_weight > 0) {
    return {items.pivot, items.pivot_weight};
  }
  return choose_in_run(items, items.begin, items.pivot, before);
}

// The data of a class, without position `skip` (-1, or outside the class: none).
SCF_HOST_DEVICE inline Items items_of(const DrawView& view, const DrawClass& of,
                                      std::int64_t skip) {
  Items items{view.prefix, of.begin, of.pivot, of.end, of.pivot_weight, -1, 0};
  if (skip < of.begin || skip >= of.end) {
    return items;
  }
  if (skip == of.pivot) {
    items.pivot_weight = 0;
    return items;
  }
  const std::int64_t low = skip < of.pivot ? of.begin : of.pivot + 1;
  items.at = skip;
  items.removed = view.prefix[skip] - (skip > low ? view.prefix[skip - 1] : 0);
  return items;
}

// The classes, one of them (-1: none) with `left` of its total.
SCF_HOST_DEVICE inline Items items_of_classes(const DrawView& view, std::int64_t changed,
                                              double left) {
  Items items{view.class_prefix,
              0,
              view.pivot_class,
              view.class_count,
              view.classes[view.pivot_class].total,
              -1,
              0};
  if (changed == view.pivot_class) {
    items.pivot_weight = left;
  } else if (changed >= 0) {
    items.at = changed;
    items.removed = view.classes[changed].total - left;
  }
  return items;
}

// The first class that ends beyond a position.
SCF_HOST_DEVICE inline std::int64_t class_at(const DrawView& view, std::int64_t position) {
  std::int64_t low = 0;
  std::int64_t high = view.class_count;
  while (low < high) {
    const std::int64_t middle = low + (high - low) / 2;
    if (view.classes[middle].end > position) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

// Index of a label's class, or -1.
SCF_HOST_DEVICE inline std::int64_t class_of_label(const DrawView& view, std::int32_t label) {
  std::int64_t low = 0;
  std::int64_t high = view.labelled ? view.class_count : 0;
  const std::int64_t size = high;
  while (low < high) {
    const std::int64_t middle = low + (high - low) / 2;
    if (view.classes[middle].label < label) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low < size && view.classes[low].label == label ? low : -1;
}

// Any of the positions [begin, end) but `skip`, all weights being equal.
SCF_HOST_DEVICE inline std::int64_t draw_evenly(std::int64_t begin, std::int64_t end,
                                                std::int64_t skip, double uniform) {
  const bool leaves_out = skip >= begin && skip < end;
  const std::int64_t size = end - begin - (leaves_out ? 1 : 0);
  if (size <= 0) {
    return -1;
  }
  // Below size, though rounded: uniform is at most 1 - 2^-53.
  const auto at = begin + static_cast<std::int64_t>(uniform * static_cast<double>(size));
  return leaves_out && at >= skip ? at + 1 : at;
}

SCF_HOST_DEVICE inline std::int64_t draw_of_class(const DrawView& view, const DrawClass& of,
                                                  std::int64_t skip, double uniform) {
  const Items items = items_of(view, of, skip);
  const double total = total_of(items);
  return total > 0 ? choose(items, uniform * total).item : -1;
}

SCF_HOST_DEVICE inline std::int64_t draw_of_all(const DrawView& view, std::int64_t skip,
                                                double uniform) {
  const std::int64_t changed = skip < 0 ? -1 : class_at(view, skip);
  const double left = changed < 0 ? 0 : total_of(items_of(view, view.classes[changed], skip));
  const Items classes = items_of_classes(view, changed, left);
  const double total = total_of(classes);
  if (!(total > 0)) {
    return -1;
  }
  const Choice choice = choose(classes, uniform * total);
  return choice.item < 0
             ? -1
             : choose(items_of(view, view.classes[choice.item], skip), choice.rest).item;
}

}  // namespace draw

// The 53 bits of two words as a number in [0, 1).
SCF_HOST_DEVICE inline double draw_uniform(std::uint32_t w0, std::uint32_t w1) {
  const std::uint64_t bits = (static_cast<std::uint64_t>(w0) << 32 | w1) >> 11;
  return static_cast<double>(bits) * 0x1p-53;
}

// The position that a query of this label, without datum `skip` (-1: none), draws by a uniform
// number in [0, 1).
SCF_HOST_DEVICE inline DrawnDatum draw_datum(const DrawView& view, std::int32_t label,
                                             std::int64_t skip, double uniform) {
  if (skip < -1 || skip >= view.n) {
    return {-1, kBadSkip};
  }
  const std::int64_t class_index = label == kAnyLabel ? -1 : draw::class_of_label(view, label);
  if (label != kAnyLabel && class_index < 0) {
    return {-1, kBadLabel};
  }
  const std::int64_t skipped = skip < 0 || view.position == nullptr ? skip : view.position[skip];
  std::int64_t drawn = -1;
  if (view.prefix == nullptr) {
    const std::int64_t begin = class_index < 0 ? 0 : view.classes[class_index].begin;
    const std::int64_t end = class_index < 0 ? view.count : view.classes[class_index].end;
    drawn = draw::draw_evenly(begin, end, skipped, uniform);
  } else if (class_index >= 0 || view.class_count == 1) {
    drawn = draw::draw_of_class(view, view.classes[class_index < 0 ? 0 : class_index], skipped,
                                uniform);
  } else {
    drawn = draw::draw_of_all(view, skipped, uniform);
  }
  return drawn < 0 ? DrawnDatum{-1, kNoWeight} : DrawnDatum{drawn, 0};
}

SCF_HOST_DEVICE inline std::int64_t given_index(const DrawView& view, std::int64_t position) {
  return view.original == nullptr ? position : view.original[position];
}

}  // namespace scf::kde
