#include "support/random_reference.h"

#include <cmath>

namespace scf::test {
namespace {

struct Product {
  std::uint32_t high;
  std::uint32_t low;
};

Product multiply(std::uint32_t a, std::uint32_t b) {
  const std::uint64_t product = std::uint64_t{a} * b;
  return {static_cast<std::uint32_t>(product >> 32), static_cast<std::uint32_t>(product)};
}

}  // namespace

PhiloxBlock philox4x32_10(PhiloxBlock counter, PhiloxKey key) {
  for (int round = 0; round < 10; ++round) {
    const Product first = multiply(0xD2511F53u, counter[0]);
    const Product second = multiply(0xCD9E8D57u, counter[2]);
    counter = {second.high ^ counter[1] ^ key[0], second.low, first.high ^ counter[3] ^ key[1],
               first.low};
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return counter;
}

// The mapping of curand_init(seed, subsequence = row, offset = word): the block's number is the low
// half of the counter, the row the high half.
std::uint32_t random_word(const RandomRow& row, std::uint64_t column) {
  const std::uint64_t word = row.offset + column;
  const std::uint64_t block = word / 4;
  const auto low = [](std::uint64_t value) { return static_cast<std::uint32_t>(value); };
  const auto high = [](std::uint64_t value) { return static_cast<std::uint32_t>(value >> 32); };
  return philox4x32_10({low(block), high(block), low(row.row), high(row.row)},
                       {low(row.seed), high(row.seed)})[word % 4];
}

template <class Real>
Real uniform_of_word(std::uint32_t word) {
  return (static_cast<Real>(word) + Real(0.5)) / Real(4294967296.0);
}

template <class Real>
std::vector<Real> reference_normal(const RandomRow& row, std::int64_t d) {
  const Real two_pi = 2 * std::acos(Real(-1));
  std::vector<Real> normal(static_cast<std::size_t>(d));
  for (std::int64_t c = 0; c < d; ++c) {
    const auto pair = static_cast<std::uint64_t>(c - c % 2);
    const Real u = uniform_of_word<Real>(random_word(row, pair));
    const Real angle = two_pi * uniform_of_word<Real>(random_word(row, pair + 1));
    normal[c] = std::sqrt(-2 * std::log(u)) * (c % 2 == 0 ? std::cos(angle) : std::sin(angle));
  }
  return normal;
}

template <class Real>
std::vector<Real> reference_rademacher(const RandomRow& row, std::int64_t d) {
  std::vector<Real> signs(static_cast<std::size_t>(d));
  for (std::int64_t c = 0; c < d; ++c) {
    const bool top_bit = (random_word(row, static_cast<std::uint64_t>(c)) >> 31) != 0;
    signs[c] = top_bit ? Real(-1) : Real(1);
  }
  return signs;
}

template <class Real>
std::vector<Real> reference_sphere(const RandomRow& row, std::int64_t d, Real radius) {
  std::vector<Real> point = reference_normal<Real>(row, d);
  Real square = 0;
  for (const Real value : point) square += value * value;
  for (Real& value : point) value *= radius / std::sqrt(square);
  return point;
}

#define SCF_TEST_INSTANTIATE(Real)                                                 \
  template Real uniform_of_word(std::uint32_t);                                    \
  template std::vector<Real> reference_normal(const RandomRow&, std::int64_t);     \
  template std::vector<Real> reference_rademacher(const RandomRow&, std::int64_t); \
  template std::vector<Real> reference_sphere(const RandomRow&, std::int64_t, Real);
SCF_TEST_INSTANTIATE(double)
SCF_TEST_INSTANTIATE(long double)
#undef SCF_TEST_INSTANTIATE

}  // namespace scf::test
