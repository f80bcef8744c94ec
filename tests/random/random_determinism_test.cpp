// The same numbers, bit for bit: again, with any number of threads, however rows and columns are
// split over calls, at any alignment and leading dimension, and beyond 2^31 elements.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <new>
#include <string>
#include <vector>

#include "support/compare.h"
#include "support/random_call.h"
#include "support/shapes.h"

namespace scf::test {
namespace {

class RandomDeterminism : public OnBackend<BackendCase> {
 protected:
  // Calls body(draw), where draw(params, m, d, layout) gives the numbers of one kind or the sphere.
  template <class T, class Body>
  void each_kind(const Context& context, const Body& body) const {
    for (const RandomKind kind : all_random_kinds()) {
      SCOPED_TRACE(name_of(kind));
      body([&](const scf_random_params& params, std::int64_t m, std::int64_t d,
               const RandomLayout& layout) {
        return random_numbers<T>(context, kind, params, m, d, layout);
      });
    }
  }
};

template <class T>
std::vector<T> columns_of(const std::vector<T>& all, std::int64_t d, std::int64_t first,
                          std::int64_t count) {
  std::vector<T> part;
  for (std::size_t row = 0; row < all.size(); row += static_cast<std::size_t>(d)) {
    const auto begin = all.begin() + static_cast<std::ptrdiff_t>(row) + first;
    part.insert(part.end(), begin, begin + count);
  }
  return part;
}

TEST_P(RandomDeterminism, IndependentOfRowSplits) {
  with_dtype(GetParam().dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(GetParam().backend);
    for (const std::int64_t d : {1, 2, 5, 33, 130}) {
      const std::int64_t m = GetParam().backend == Backend::kCuda ? 21 : 1000;
      const WordSource source{8, 3, 100};
      each_kind<T>(context, [&](const auto& draw) {
        const auto all = draw(random_params(source), m, d, {});
        std::vector<T> joined;
        std::int64_t row = 0;
        for (const std::int64_t share : {std::int64_t{1}, std::int64_t{4}, m - 5}) {
          WordSource part = source;
          part.first_row += row;
          const auto numbers = draw(random_params(part), share, d, {});
          joined.insert(joined.end(), numbers.begin(), numbers.end());
          row += share;
        }
        EXPECT_TRUE(same_bits(joined, all)) << "d " << d;
      });
      // Rows on the sphere: where one has company and where it is alone.
      const auto all = sphere_points<T>(context, random_params(source), m, d, 2);
      WordSource last = source;
      last.first_row += m - 1;
      EXPECT_TRUE(same_bits(sphere_points<T>(context, random_params(last), 1, d, 2),
                            std::vector<T>(all.end() - static_cast<std::ptrdiff_t>(d), all.end())))
          << "sphere d " << d;
    }
  });
}

TEST_P(RandomDeterminism, IndependentOfColumnSplits) {
  with_dtype(GetParam().dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(GetParam().backend);
    for (const std::uint64_t offset : {0u, 1u, 2u, 3u}) {
      const WordSource source{8, offset, 100};
      const std::int64_t m = 9;
      const std::int64_t d = 151;
      each_kind<T>(context, [&](const auto& draw) {
        const auto all = draw(random_params(source), m, d, {});
        for (const std::int64_t first : {2, 4, 6, 64, 150}) {
          for (const std::int64_t count : {std::int64_t{1}, std::int64_t{7}, d - first}) {
            if (first + count > d) continue;
            WordSource part = source;
            part.offset += static_cast<std::uint64_t>(first);
            EXPECT_TRUE(same_bits(draw(random_params(part), m, count, {}),
                                  columns_of(all, d, first, count)))
                << "offset " << offset << " columns " << first << " + " << count;
          }
        }
      });
    }
  });
}

TEST_P(RandomDeterminism, IndependentOfLayout) {
  with_dtype(GetParam().dtype, [&](auto tag) {
    using T = decltype(tag);
    const Context context(GetParam().backend);
    for (const std::int64_t d : {1, 2, 4, 7, 64}) {
      for (const RandomLayout& layout :
           {RandomLayout{1, 0}, RandomLayout{0, sizeof(T)}, RandomLayout{4, sizeof(T)}}) {
        const auto params = random_params({3, 4, 5});
        each_kind<T>(context, [&](const auto& draw) {
          EXPECT_TRUE(same_bits(draw(params, 19, d, layout), draw(params, 19, d, {})))
              << "d " << d << " gap " << layout.gap;
        });
        EXPECT_TRUE(same_bits(sphere_points<T>(context, params, 19, d, 2, layout),
                              sphere_points<T>(context, params, 19, d, 2)))
            << "sphere d " << d << " gap " << layout.gap;
      }
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Random, RandomDeterminism, ::testing::ValuesIn(all_backend_cases()),
                         parameter_name<BackendCase>);

TEST(RandomThreads, DoNotMatter) {
  const Context one(Backend::kCpu, {1, ""});
  for (const int threads : {2, 7}) {
    const Context many(Backend::kCpu, {threads, ""});
    for (const std::int64_t d : {1, 2, 50, 40000, 1300000}) {
      const std::int64_t m = std::max<std::int64_t>(1, 1000000 / d);
      const auto params = random_params({4, 0, 0});
      for (const RandomKind kind : all_random_kinds()) {
        EXPECT_TRUE(same_bits(random_numbers<float>(one, kind, params, m, d),
                              random_numbers<float>(many, kind, params, m, d)))
            << name_of(kind) << " threads " << threads << " d " << d;
      }
      EXPECT_TRUE(same_bits(sphere_points<double>(one, params, m, d, 1),
                            sphere_points<double>(many, params, m, d, 1)))
          << "sphere threads " << threads << " d " << d;
    }
  }
}

// Rows so far apart that the last begins beyond 2^31 elements, in memory that is mostly never
// there; and as many as sit between "few" and "many" rows of the sphere.
TEST(RandomLargeOffsets, RowsBeyondTwoToThe31) {
  constexpr std::int64_t kRows = 70;
  constexpr std::int64_t kLd = (std::int64_t{1} << 25) + 3;
  constexpr std::int64_t kColumns = 9000;
  static_assert((kRows - 1) * kLd > std::int64_t{1} << 31);
  constexpr std::size_t kBytes = sizeof(float) * kRows * kLd;
  void* const memory = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  auto* const out = static_cast<float*>(memory);
  const auto dense = [&] {
    std::vector<float> values;
    for (std::int64_t i = 0; i < kRows; ++i) {
      values.insert(values.end(), out + i * kLd, out + i * kLd + kColumns);
    }
    return values;
  };
  const Context context(Backend::kCpu);
  const auto params = random_params({1, 0, 0});
  for (const RandomKind kind : all_random_kinds()) {
    EXPECT_EQ(random_fill(kind, context.get(), &params, kRows, kColumns, out, kLd), SCF_SUCCESS);
    EXPECT_TRUE(same_bits(dense(), random_numbers<float>(context, kind, params, kRows, kColumns)));
  }
  EXPECT_EQ(random_sphere(context.get(), &params, kRows, kColumns, 1.0, out, kLd), SCF_SUCCESS);
  EXPECT_TRUE(same_bits(dense(), sphere_points<float>(context, params, kRows, kColumns, 1)));
  munmap(memory, kBytes);
}

}  // namespace
}  // namespace scf::test
