#include "support/random_reference.h"

#include <cmath>

namespace scf::test {
namespace {

constexpr std::uint64_t kMultiplier0 = 0xD2511F53;
constexpr std::uint64_t kMultiplier1 = 0xCD9E8D57;
constexpr std::uint32_t kWeyl0 = 0x9E3779B9;
constexpr std::uint32_t kWeyl1 = 0xBB67AE85;

std::uint32_t low(std::uint64_t value) {
  return static_cast<std::uint32_t>(value);
}
std::uint32_t high(std::uint64_t value) {
  return static_cast<std::uint32_t>(value >> 32);
}

// The inverse of an odd number modulo 2^32, by Newton's iteration.
std::uint32_t inverse(std::uint32_t odd) {
  std::uint32_t x = odd;
  for (int i = 0; i < 5; ++i) x *= 2 - odd * x;
  return x;
}

}  // namespace

PhiloxBlock philox4x32_10(PhiloxBlock counter, PhiloxKey key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t left = kMultiplier0 * counter[0];
    const std::uint64_t right = kMultiplier1 * counter[2];
    counter = {high(right) ^ counter[1] ^ key[0], low(right), high(left) ^ counter[3] ^ key[1],
               low(left)};
    key = {key[0] + kWeyl0, key[1] + kWeyl1};
  }
  return counter;
}

PhiloxBlock philox4x32_10_inverse(PhiloxBlock words, PhiloxKey key) {
  key = {key[0] + 10 * kWeyl0, key[1] + 10 * kWeyl1};
  for (int round = 0; round < 10; ++round) {
    key = {key[0] - kWeyl0, key[1] - kWeyl1};
    const std::uint32_t first = words[3] * inverse(low(kMultiplier0));
    const std::uint32_t third = words[1] * inverse(low(kMultiplier1));
    words = {first, words[0] ^ high(kMultiplier1 * third) ^ key[0], third,
             words[2] ^ high(kMultiplier0 * first) ^ key[1]};
  }
  return words;
}

// The mapping of curand_init(seed, subsequence = row, offset = word): the block's number is the low
// half of the counter, the row the high half.
std::uint32_t random_word(const RandomRow& row, std::uint64_t column) {
  const std::uint64_t word = row.offset + column;
  const std::uint64_t block = word / 4;
  return philox4x32_10({low(block), high(block), low(row.row), high(row.row)},
                       {low(row.seed), high(row.seed)})[word % 4];
}

std::uint32_t random_word(const WordSource& source, std::int64_t row, std::int64_t column) {
  const auto sequence =
      static_cast<std::uint64_t>(source.first_row) + static_cast<std::uint64_t>(row);
  return random_word(RandomRow{source.seed, sequence, source.offset},
                     static_cast<std::uint64_t>(column));
}

WordSource source_of_words(std::uint64_t seed, std::uint32_t w0, std::uint32_t w1) {
  // The two words that follow are free: until the counter is one that offset and row can name.
  for (std::uint32_t free = 0;; ++free) {
    const PhiloxBlock counter =
        philox4x32_10_inverse({w0, w1, free, 0x5EED}, {low(seed), high(seed)});
    if (counter[1] < 1u << 30 && counter[3] < 1u << 31) {
      const std::uint64_t quad = static_cast<std::uint64_t>(counter[1]) << 32 | counter[0];
      const std::uint64_t row = static_cast<std::uint64_t>(counter[3]) << 32 | counter[2];
      return {seed, 4 * quad, static_cast<std::int64_t>(row)};
    }
  }
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

long double exact_normal(std::uint32_t w0, std::uint32_t w1, bool sine) {
  constexpr long double kTwoPi = 6.283185307179586476925286766559L;
  const long double u = uniform_of_word<long double>(w0);
  // Near 1 the logarithm wants the distance to 1.
  const long double log_u = u > 0.5L ? std::log1p(-uniform_of_word<long double>(~w0)) : std::log(u);
  const long double radius = std::sqrt(-2 * log_u);
  const long double angle = kTwoPi * uniform_of_word<long double>(w1);
  return radius * (sine ? std::sin(angle) : std::cos(angle));
}

long double exact_number(RandomKind kind, const WordSource& source, std::int64_t row,
                         std::int64_t column) {
  const std::uint32_t word = random_word(source, row, column);
  switch (kind) {
    case RandomKind::kUniform:
      return uniform_of_word<long double>(word);
    case RandomKind::kRademacher:
      return word >> 31 == 0 ? 1 : -1;
    case RandomKind::kNormal:
      break;
  }
  const std::int64_t even = column - column % 2;
  return exact_normal(random_word(source, row, even), random_word(source, row, even + 1),
                      column % 2 != 0);
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
