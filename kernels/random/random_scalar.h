// Random numbers one by one, for a host without SIMD: the tiles of random-inl.h in plain C++.
#pragma once

#include <cstdint>

#include "random/random.h"
#include "random/random_math.h"

namespace scf::random {

// The words of one row, the last quad kept.
class ScalarWords {
 public:
  ScalarWords(const Words& words, std::int64_t row)
      : seed_(words.seed),
        offset_(words.offset),
        row_(static_cast<std::uint64_t>(words.first_row) + static_cast<std::uint64_t>(row)) {}

  [[nodiscard]] std::uint32_t operator()(std::int64_t column) {
    const std::uint64_t at = offset_ + static_cast<std::uint64_t>(column);
    if (!made_ || at / 4 != quad_) {
      make(at / 4);
    }
    return words_[at % 4];
  }

 private:
  void make(std::uint64_t quad) {
    made_ = true;
    quad_ = quad;
    std::uint32_t c[4] = {low(quad), high(quad), low(row_), high(row_)};
    std::uint32_t key0 = low(seed_);
    std::uint32_t key1 = high(seed_);
    for (int round = 0; round < 10; ++round) {
      const std::uint64_t product0 = std::uint64_t{0xD2511F53} * c[0];
      const std::uint64_t product1 = std::uint64_t{0xCD9E8D57} * c[2];
      c[0] = high(product1) ^ c[1] ^ key0;
      c[1] = low(product1);
      c[2] = high(product0) ^ c[3] ^ key1;
      c[3] = low(product0);
      key0 += 0x9E3779B9u;
      key1 += 0xBB67AE85u;
    }
    for (int i = 0; i < 4; ++i) {
      words_[i] = c[i];
    }
  }
  static std::uint32_t low(std::uint64_t v) { return static_cast<std::uint32_t>(v); }
  static std::uint32_t high(std::uint64_t v) { return static_cast<std::uint32_t>(v >> 32); }

  std::uint64_t seed_;
  std::uint64_t offset_;
  std::uint64_t row_;
  bool made_ = false;
  std::uint64_t quad_ = 0;
  std::uint32_t words_[4] = {};
};

inline void ScalarBitsTile(const Words& words, std::int64_t row, std::int64_t rows,
                           std::int64_t column, std::int64_t columns, std::uint32_t* out,
                           std::int64_t ld) {
  for (std::int64_t r = 0; r < rows; ++r) {
    ScalarWords word(words, row + r);
    for (std::int64_t c = 0; c < columns; ++c) {
      out[r * ld + c] = word(column + c);
    }
  }
}

template <class T>
void ScalarTile(Distribution distribution, const Words& words, std::int64_t row, std::int64_t rows,
                std::int64_t column, std::int64_t columns, T* out, std::int64_t ld) {
  for (std::int64_t r = 0; r < rows; ++r) {
    ScalarWords word(words, row + r);
    T* const to = out + r * ld;
    for (std::int64_t c = 0; c < columns; ++c) {
      if (distribution == Distribution::kUniform) {
        to[c] = uniform_of<T>(word(column + c));
      } else if (distribution == Distribution::kRademacher) {
        to[c] = rademacher_of<T>(word(column + c));
      } else if (c % 2 == 0) {
        const std::uint32_t first = word(column + c);
        const NormalPair<T> pair = box_muller<T>(first, word(column + c + 1));
        to[c] = pair.cosine;
        if (c + 1 < columns) {
          to[c + 1] = pair.sine;
        }
      }
    }
  }
}

}  // namespace scf::random
