// The library's random numbers, computed naively and independently of it: Philox4x32-10 (Salmon,
// Moraes, Dror, Shaw 2011) one block at a time, then each transform in a wider precision Real.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace scf::test {

using PhiloxBlock = std::array<std::uint32_t, 4>;
using PhiloxKey = std::array<std::uint32_t, 2>;

PhiloxBlock philox4x32_10(PhiloxBlock counter, PhiloxKey key);
// The counter that gives these words.
PhiloxBlock philox4x32_10_inverse(PhiloxBlock words, PhiloxKey key);

// Words of one row, from word `offset` on; the index wraps modulo 2^64.
struct RandomRow {
  std::uint64_t seed = 0;
  std::uint64_t row = 0;
  std::uint64_t offset = 0;
};

std::uint32_t random_word(const RandomRow& row, std::uint64_t column);

// Words of a batch: those of scf_random_params.
struct WordSource {
  std::uint64_t seed = 0;
  std::uint64_t offset = 0;
  std::int64_t first_row = 0;
};

std::uint32_t random_word(const WordSource& source, std::int64_t row, std::int64_t column);

// A source whose row 0 starts with these two words.
WordSource source_of_words(std::uint64_t seed, std::uint32_t w0, std::uint32_t w1);

// (w + 1/2) / 2^32.
template <class Real>
Real uniform_of_word(std::uint32_t word);

enum class RandomKind { kUniform, kNormal, kRademacher };

// One number, in long double.
long double exact_normal(std::uint32_t w0, std::uint32_t w1, bool sine);
long double exact_number(RandomKind kind, const WordSource& source, std::int64_t row,
                         std::int64_t column);

// The first d columns of a row.
template <class Real>
std::vector<Real> reference_normal(const RandomRow& row, std::int64_t d);
template <class Real>
std::vector<Real> reference_rademacher(const RandomRow& row, std::int64_t d);
template <class Real>
std::vector<Real> reference_sphere(const RandomRow& row, std::int64_t d, Real radius);

// How far two backends may differ in a normal of dtype T, and in a sphere point of radius 1.
template <class T>
inline constexpr double kNormalAccuracy = sizeof(T) == 4 ? 1e-6 : 2e-15;

}  // namespace scf::test
