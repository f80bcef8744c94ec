// Random numbers on vectors, compiled once per SIMD target: tiles of a matrix, in L1.
//
//   out [rows, ld] <- the numbers of rows [row, row + rows) and columns [column, column + columns)
//
// Philox4x32-10 turns a counter (the quad of words, the row) into four words. Its multiplications
// take 32-bit words from 64-bit lanes, so a state word is the low half of a lane throughout and
// nothing is moved between the halves: 8 operations a round for a vector of lanes, at AVX2 1.3
// operations a word and round. Two such vectors, the even and the odd 32-bit lanes of a block, are
// merged at the end. A block is Lanes(u32) counters: quads of one row where rows are long, else
// rows of one quad. Which lane has which counter is chosen so that transposing four words a lane
// within 128 bits leaves the numbers in order.
// Where the words of a quad of columns straddle two counters (an offset that is no multiple of 4),
// words are made first, then shifted and turned into numbers.
// A number depends on its own words alone, so tiles and lanes do not show in it.
#if defined(SCF_RANDOM_RANDOM_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SCF_RANDOM_RANDOM_INL_H_
#undef SCF_RANDOM_RANDOM_INL_H_
#else
#define SCF_RANDOM_RANDOM_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "random/random.h"
#include "random/random_math-inl.h"
#include "random/random_scalar.h"

HWY_BEFORE_NAMESPACE();
namespace scf::random {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET != HWY_SCALAR
using D32 = hn::ScalableTag<std::uint32_t>;
using D64 = hn::ScalableTag<std::uint64_t>;
inline constexpr std::int64_t kMaxBlock = hn::MaxLanes(D32());  // counters

// ---- Words to numbers --------------------------------------------------------------------------
// A map takes the words of an even column and of the next, as random_math-inl.h wants them, to
// their numbers.

struct BitsMap {
  using Out = std::uint32_t;
  template <int kCount, class DU, class V = hn::Vec<DU>>
  static HWY_INLINE void Pairs(DU /*du*/, const V* w0, const V* w1, V* first, V* second) {
#pragma GCC unroll 4
    for (int i = 0; i < kCount; ++i) {
      first[i] = w0[i];
      second[i] = w1[i];
    }
  }
};

template <class T>
struct UniformMap {
  using Out = T;
  template <int kCount, class DU, class V = hn::Vec<hn::RebindToFloat<DU>>>
  static HWY_INLINE void Pairs(DU du, const hn::Vec<DU>* w0, const hn::Vec<DU>* w1, V* first,
                               V* second) {
#pragma GCC unroll 4
    for (int i = 0; i < kCount; ++i) {
      first[i] = UniformVector<T>(du, w0[i]);
      second[i] = UniformVector<T>(du, w1[i]);
    }
  }
};

template <class T>
struct RademacherMap {
  using Out = T;
  template <int kCount, class DU, class V = hn::Vec<hn::RebindToFloat<DU>>>
  static HWY_INLINE void Pairs(DU du, const hn::Vec<DU>* w0, const hn::Vec<DU>* w1, V* first,
                               V* second) {
#pragma GCC unroll 4
    for (int i = 0; i < kCount; ++i) {
      first[i] = RademacherVector<T>(du, w0[i]);
      second[i] = RademacherVector<T>(du, w1[i]);
    }
  }
};

template <class T>
struct NormalMap {
  using Out = T;
  template <int kCount, class DU, class V = hn::Vec<hn::RebindToFloat<DU>>>
  static HWY_INLINE void Pairs(DU du, const hn::Vec<DU>* w0, const hn::Vec<DU>* w1, V* first,
                               V* second) {
    BoxMullerVectors<kCount, T>(du, w0, w1, first, second);
  }
};

// ---- Philox ------------------------------------------------------------------------------------

struct PhiloxKeys {
  static constexpr int kRounds = 10;

  explicit PhiloxKeys(std::uint64_t seed) {
    auto k0 = static_cast<std::uint32_t>(seed);
    auto k1 = static_cast<std::uint32_t>(seed >> 32);
    for (int r = 0; r < kRounds; ++r) {
      first[r] = k0;
      second[r] = k1;
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
  }
  std::uint64_t first[kRounds];
  std::uint64_t second[kRounds];
};

// Two vectors of counters and, in the end, of words: state word s of vector v is c[v][s], in the
// low halves of the lanes.
struct PhiloxState {
  hn::Vec<D64> c[2][4];
};

// What a core does between the rounds, which are a chain that leaves most of it idle: nothing.
struct NoWork {
  HWY_INLINE void operator()(int /*round*/) const {}
};

template <class Work>
HWY_INLINE PhiloxState Philox(const PhiloxKeys& keys, const hn::Vec<D64>* quad,
                              const hn::Vec<D64>* row, const Work& work) {
  const D64 d;
  const D32 d32;
  const auto multiplier0 = hn::BitCast(d32, hn::Set(d, std::uint64_t{0xD2511F53}));
  const auto multiplier1 = hn::BitCast(d32, hn::Set(d, std::uint64_t{0xCD9E8D57}));
  PhiloxState state;
#pragma GCC unroll 2
  for (int v = 0; v < 2; ++v) {
    state.c[v][0] = quad[v];
    state.c[v][1] = hn::ShiftRight<32>(quad[v]);
    state.c[v][2] = row[v];
    state.c[v][3] = hn::ShiftRight<32>(row[v]);
  }
#pragma GCC unroll 10
  for (int r = 0; r < PhiloxKeys::kRounds; ++r) {
    const auto key0 = hn::Set(d, keys.first[r]);
    const auto key1 = hn::Set(d, keys.second[r]);
#pragma GCC unroll 2
    for (int v = 0; v < 2; ++v) {
      auto* const c = state.c[v];
      const auto product0 = hn::MulEven(hn::BitCast(d32, c[0]), multiplier0);
      const auto product1 = hn::MulEven(hn::BitCast(d32, c[2]), multiplier1);
      c[0] = hn::Xor3(hn::ShiftRight<32>(product1), c[1], key0);
      c[1] = product1;
      c[2] = hn::Xor3(hn::ShiftRight<32>(product0), c[3], key1);
      c[3] = product0;
    }
    work(r);
  }
  return state;
}

// ---- Blocks ------------------------------------------------------------------------------------

// The counter of each lane, as a position in the block, for an output of kPerCounter numbers of a
// counter one after the other; see Store below.
template <class Out, int kPerCounter>
struct LaneOrder {
  LaneOrder() {
    const D64 d;
    const std::int64_t lanes = hn::Lanes(d);
    HWY_ALIGN std::uint64_t even[hn::MaxLanes(D64())];
    HWY_ALIGN std::uint64_t odd[hn::MaxLanes(D64())];
    for (std::int64_t e = 0; e < lanes; ++e) {
      even[e] = sizeof(Out) == 8 ? e : Position(2 * e, 2 * lanes);
      odd[e] = sizeof(Out) == 8 ? lanes + e : Position(2 * e + 1, 2 * lanes);
    }
    position[0] = hn::Load(d, even);
    position[1] = hn::Load(d, odd);
  }
  hn::Vec<D64> position[2];

 private:
  // Lane 4 b + j of the 128-bit block b.
  static std::uint64_t Position(std::int64_t lane, std::int64_t lanes) {
    const std::int64_t b = lane / 4;
    const std::int64_t j = lane % 4;
    return kPerCounter == 4   ? j * (lanes / 4) + b
           : kPerCounter == 2 ? j / 2 * (lanes / 2) + 2 * b + j % 2
                              : lane;
  }
};

// Words i of all counters of a block, of 32-bit lanes.
HWY_INLINE hn::Vec<D32> WordsOfBlock(const PhiloxState& state, int i) {
  const D32 d32;
  return hn::OddEven(hn::BitCast(d32, hn::ShiftLeft<32>(state.c[1][i])),
                     hn::BitCast(d32, state.c[0][i]));
}

// The numbers of a block of counters, kPerCounter each, in the order of the counters.
template <class Map, int kPerCounter, class Out = typename Map::Out, class Work = NoWork>
HWY_INLINE void MakeBlock(const PhiloxKeys& keys, const hn::Vec<D64>* quad, const hn::Vec<D64>* row,
                          Out* to, const Work& work = {}) {
  const D64 d64;
  const PhiloxState state = Philox(keys, quad, row, work);
  if constexpr (sizeof(Out) == 8) {
    const hn::RebindToFloat<D64> df;
#pragma GCC unroll 2
    for (int v = 0; v < 2; ++v) {
      Out* const here = to + v * kPerCounter * static_cast<std::int64_t>(hn::Lanes(df));
      const auto* const w = state.c[v];
      constexpr int kPairs = kPerCounter == 4 ? 2 : 1;
      const hn::Vec<D64> even[2] = {w[0], w[2]};
      const hn::Vec<D64> odd[2] = {w[1], w[3]};
      hn::Vec<decltype(df)> first[2];
      hn::Vec<decltype(df)> second[2];
      Map::template Pairs<kPairs>(d64, even, odd, first, second);
      if constexpr (kPerCounter == 1) {
        hn::StoreU(first[0], df, here);
      } else if constexpr (kPerCounter == 2) {
        hn::StoreInterleaved2(first[0], second[0], df, here);
      } else {
        hn::StoreInterleaved4(first[0], second[0], first[1], second[1], df, here);
      }
    }
  } else {
    const D32 d32;
    const hn::Rebind<Out, D32> dout;
    const hn::Repartition<double, D32> dpair;
    const std::int64_t lanes = hn::Lanes(d32);
    constexpr int kPairs = kPerCounter == 4 ? 2 : 1;
    hn::Vec<D32> even[2];
    hn::Vec<D32> odd[2];
#pragma GCC unroll 4
    for (int i = 0; i < kPairs; ++i) {
      even[i] = WordsOfBlock(state, 2 * i);
      odd[i] = WordsOfBlock(state, 2 * i + 1);
    }
    hn::Vec<decltype(dout)> first[2];
    hn::Vec<decltype(dout)> second[2];
    Map::template Pairs<kPairs>(d32, even, odd, first, second);
    if constexpr (kPerCounter == 1) {
      hn::StoreU(first[0], dout, to);
      return;
    }
    const auto lower01 = hn::InterleaveLower(dout, first[0], second[0]);
    const auto upper01 = hn::InterleaveUpper(dout, first[0], second[0]);
    if constexpr (kPerCounter == 2) {
      hn::StoreU(lower01, dout, to);
      hn::StoreU(upper01, dout, to + lanes);
      return;
    }
    const auto store = [&](int at, auto pairs) HWY_ATTR {
      hn::StoreU(hn::BitCast(dout, pairs), dout, to + at * lanes);
    };
    const auto first0 = hn::BitCast(dpair, lower01);
    const auto first1 = hn::BitCast(dpair, upper01);
    const auto second0 = hn::BitCast(dpair, hn::InterleaveLower(dout, first[1], second[1]));
    const auto second1 = hn::BitCast(dpair, hn::InterleaveUpper(dout, first[1], second[1]));
    store(0, hn::InterleaveLower(dpair, first0, second0));
    store(1, hn::InterleaveUpper(dpair, first0, second0));
    store(2, hn::InterleaveLower(dpair, first1, second1));
    store(3, hn::InterleaveUpper(dpair, first1, second1));
  }
}

// The rows of the lanes of two blocks.
template <class Out>
HWY_INLINE void TwoBlocksOfRows(const LaneOrder<Out, 2>& order, std::uint64_t row,
                                hn::Vec<D64> (*lanes)[2]) {
  const D64 d;
#pragma GCC unroll 2
  for (int b = 0; b < 2; ++b) {
    const auto first = hn::Set(d, row + b * hn::Lanes(D32()));
    lanes[b][0] = hn::Add(first, order.position[0]);
    lanes[b][1] = hn::Add(first, order.position[1]);
  }
}

// Two blocks of two numbers a counter, side by side: one alone has a single vector of pairs to make
// numbers of, whose chain of operations a core can only wait for.
template <class Map, class Out = typename Map::Out>
HWY_INLINE void MakeTwoBlocks(const PhiloxKeys& keys, const hn::Vec<D64>* quad,
                              const hn::Vec<D64> (*row)[2], Out* to) {
  using DU = hn::RebindToUnsigned<hn::ScalableTag<Out>>;
  const DU du;
  const hn::Rebind<Out, DU> dout;
  const std::int64_t lanes = hn::Lanes(D32());
  hn::Vec<DU> even[2];
  hn::Vec<DU> odd[2];
  hn::Vec<decltype(dout)> first[2];
  hn::Vec<decltype(dout)> second[2];
#pragma GCC unroll 2
  for (int b = 0; b < 2; ++b) {
    const PhiloxState state = Philox(keys, quad, row[b], NoWork());
    if constexpr (sizeof(Out) == 8) {  // a block fills two vectors
#pragma GCC unroll 2
      for (int v = 0; v < 2; ++v) {
        even[v] = state.c[v][0];
        odd[v] = state.c[v][1];
      }
      Map::template Pairs<2>(du, even, odd, first, second);
#pragma GCC unroll 2
      for (int v = 0; v < 2; ++v) {
        hn::StoreInterleaved2(first[v], second[v], dout, to + (2 * b + v) * lanes);
      }
    } else {
      even[b] = WordsOfBlock(state, 0);
      odd[b] = WordsOfBlock(state, 1);
    }
  }
  if constexpr (sizeof(Out) == 4) {
    Map::template Pairs<2>(du, even, odd, first, second);
#pragma GCC unroll 2
    for (int b = 0; b < 2; ++b) {
      hn::StoreU(hn::InterleaveLower(dout, first[b], second[b]), dout, to + 2 * b * lanes);
      hn::StoreU(hn::InterleaveUpper(dout, first[b], second[b]), dout, to + (2 * b + 1) * lanes);
    }
  }
}

// ---- Tiles -------------------------------------------------------------------------------------

// At most four numbers, without a call.
template <class Out>
HWY_INLINE void CopyFew(const Out* from, std::int64_t count, Out* to) {
  if (count == 4) {
    std::memcpy(to, from, 4 * sizeof(Out));
    return;
  }
  if ((count & 2) != 0) {
    std::memcpy(to, from, 2 * sizeof(Out));
    from += 2;
    to += 2;
  }
  if ((count & 1) != 0) {
    *to = *from;
  }
}

template <class Out>
HWY_INLINE void Copy(const Out* from, std::int64_t count, Out* to) {
  if (count <= 4) {
    CopyFew(from, count, to);
  } else {
    std::memcpy(to, from, static_cast<std::size_t>(count) * sizeof(Out));
  }
}

// A tile whose first word is the first of its quad.
template <class Map>
class AlignedTile {
 public:
  using Out = typename Map::Out;

  AlignedTile(const Words& words, std::int64_t row, std::int64_t column, std::int64_t columns,
              Out* out, std::int64_t ld)
      : keys_(words.seed),
        first_quad_((words.offset + static_cast<std::uint64_t>(column)) / 4),
        first_row_(static_cast<std::uint64_t>(words.first_row) + static_cast<std::uint64_t>(row)),
        columns_(columns),
        out_(out),
        ld_(ld) {}

  HWY_INLINE void Fill(std::int64_t rows) const {
    const std::int64_t lanes = hn::Lanes(D32());
    const std::int64_t quads = (columns_ + 3) / 4;
    if (columns_ <= 2) {
      columns_ == 1 ? OverRows<1>(rows, 0) : OverRows<2>(rows, 0);
      return;
    }
    const std::int64_t whole = quads / lanes * lanes;
    const std::int64_t rest = quads - whole;
    // The last quads of the rows: whichever way takes fewer blocks.
    const bool rest_over_rows = rest * ((rows + lanes - 1) / lanes) <= rows;
    OverQuads(rows, 0, rest_over_rows ? whole : quads);
    for (std::int64_t quad = rest_over_rows ? whole : quads; quad < quads; ++quad) {
      OverRows<4>(rows, quad);
    }
  }

 private:
  static HWY_INLINE hn::Vec<D64> Quads(hn::Vec<D64> quads) {
    // A row has 2^64 words, so 2^62 quads; an offset may wrap.
    return hn::And(quads, hn::Set(D64(), ~std::uint64_t{0} >> 2));
  }

  HWY_INLINE void OverQuads(std::int64_t rows, std::int64_t begin, std::int64_t end) const {
    const D64 d;
    const std::int64_t lanes = hn::Lanes(D32());
    const LaneOrder<Out, 4> order;
    for (std::int64_t r = 0; r < rows; ++r) {
      const auto row = hn::Set(d, first_row_ + static_cast<std::uint64_t>(r));
      const hn::Vec<D64> row_lanes[2] = {row, row};
      for (std::int64_t quad = begin; quad < end; quad += lanes) {
        const auto first = hn::Set(d, first_quad_ + static_cast<std::uint64_t>(quad));
        const hn::Vec<D64> quad_lanes[2] = {Quads(hn::Add(first, order.position[0])),
                                            Quads(hn::Add(first, order.position[1]))};
        Out* const to = out_ + r * ld_ + 4 * quad;
        const std::int64_t count = std::min(4 * lanes, columns_ - 4 * quad);
        // One call, so that its code is there once.
        Out buffer[4 * kMaxBlock];
        const bool whole = count == 4 * lanes;
        MakeBlock<Map, 4>(keys_, quad_lanes, row_lanes, whole ? to : buffer);
        if (!whole) {
          std::memcpy(to, buffer, static_cast<std::size_t>(count) * sizeof(Out));
        }
      }
    }
  }

  template <int kPerCounter>
  HWY_INLINE void OverRows(std::int64_t rows, std::int64_t quad) const {
    const D64 d;
    const std::int64_t lanes = hn::Lanes(D32());
    const LaneOrder<Out, kPerCounter> order;
    const auto quads = Quads(hn::Set(d, first_quad_ + static_cast<std::uint64_t>(quad)));
    const hn::Vec<D64> quad_lanes[2] = {quads, quads};
    const std::int64_t count = std::min<std::int64_t>(kPerCounter, columns_ - 4 * quad);
    const bool dense = count == kPerCounter && ld_ == kPerCounter;
    std::int64_t r = 0;
    if constexpr (kPerCounter == 2 && std::is_same_v<Map, NormalMap<Out>>) {
      for (; dense && r + 2 * lanes <= rows; r += 2 * lanes) {
        hn::Vec<D64> row_lanes[2][2];
        TwoBlocksOfRows(order, first_row_ + static_cast<std::uint64_t>(r), row_lanes);
        MakeTwoBlocks<Map>(keys_, quad_lanes, row_lanes, out_ + 2 * r);
      }
    }
    for (; r < rows; r += lanes) {
      const auto first = hn::Set(d, first_row_ + static_cast<std::uint64_t>(r));
      const hn::Vec<D64> row_lanes[2] = {hn::Add(first, order.position[0]),
                                         hn::Add(first, order.position[1])};
      Out* const to = out_ + r * ld_ + 4 * quad;
      Out buffer[kPerCounter * kMaxBlock];
      const bool whole = dense && rows - r >= lanes;
      MakeBlock<Map, kPerCounter>(keys_, quad_lanes, row_lanes, whole ? to : buffer);
      for (std::int64_t i = 0; !whole && i < std::min(lanes, rows - r); ++i) {
        CopyFew(buffer + i * kPerCounter, count, to + i * ld_);
      }
    }
  }

  PhiloxKeys keys_;
  std::uint64_t first_quad_;
  std::uint64_t first_row_;
  std::int64_t columns_;
  Out* out_;
  std::int64_t ld_;
};

// Numbers of words in memory, pair by pair, in place of order; both have room for whole vectors.
template <class Map>
HWY_INLINE void MapWords(const std::uint32_t* words, std::int64_t count, typename Map::Out* out) {
  const D32 d32;
  const D64 d64;
  const std::int64_t lanes = hn::Lanes(d32);
  for (std::int64_t at = 0; at < count; at += 2 * lanes) {
    const auto a = hn::BitCast(d64, hn::LoadU(d32, words + at));
    const auto b = hn::BitCast(d64, hn::LoadU(d32, words + at + lanes));
    if constexpr (sizeof(typename Map::Out) == 8) {
      const hn::RebindToFloat<D64> df;
      const hn::Vec<D64> even[2] = {a, b};
      const hn::Vec<D64> odd[2] = {hn::ShiftRight<32>(a), hn::ShiftRight<32>(b)};
      hn::Vec<decltype(df)> first[2];
      hn::Vec<decltype(df)> second[2];
      Map::template Pairs<2>(d64, even, odd, first, second);
      hn::StoreInterleaved2(first[0], second[0], df, out + at);
      hn::StoreInterleaved2(first[1], second[1], df, out + at + lanes);
    } else {
      const hn::Rebind<typename Map::Out, D32> dout;
      const auto as32 = [&](auto v) HWY_ATTR { return hn::BitCast(d32, v); };
      const auto as64 = [&](auto v) HWY_ATTR { return hn::BitCast(d64, v); };
      // The pairs of a in the even lanes, those of b in the odd ones.
      const hn::Vec<D32> even = hn::OddEven(as32(hn::ShiftLeft<32>(b)), as32(a));
      const hn::Vec<D32> odd = hn::OddEven(as32(b), as32(hn::ShiftRight<32>(a)));
      hn::Vec<decltype(dout)> first;
      hn::Vec<decltype(dout)> second;
      Map::template Pairs<1>(d32, &even, &odd, &first, &second);
      const auto of_a = hn::OddEven(as32(hn::ShiftLeft<32>(as64(second))), as32(first));
      const auto of_b = hn::OddEven(as32(second), as32(hn::ShiftRight<32>(as64(first))));
      hn::StoreU(hn::BitCast(dout, of_a), dout, out + at);
      hn::StoreU(hn::BitCast(dout, of_b), dout, out + at + lanes);
    }
  }
}

// A tile whose words straddle counters: chunks of words, made aligned, packed and mapped.
template <class Map>
HWY_NOINLINE void ShiftedTile(const Words& words, std::int64_t row, std::int64_t rows,
                              std::int64_t column, std::int64_t columns, typename Map::Out* out,
                              std::int64_t ld) {
  constexpr std::int64_t kChunk = 1024;  // words
  constexpr std::int64_t kSlack = 2 * kMaxBlock;
  std::uint32_t aligned[kChunk + 8];
  std::uint32_t packed[kChunk + kSlack];
  typename Map::Out numbers[kChunk + kSlack];
  std::memset(packed, 0, sizeof packed);  // what fills the last vector up need only be defined
  for (std::int64_t c = 0; c < columns; c += kChunk - 4) {
    const std::int64_t count = std::min(kChunk - 4, columns - c);
    const std::int64_t paired = count + count % 2;
    const auto start = words.offset + static_cast<std::uint64_t>(column + c);
    const auto shift = static_cast<std::int64_t>(start % 4);
    const Words of_quad{words.seed, start - start % 4, words.first_row};
    const std::int64_t step = std::max<std::int64_t>(1, kChunk / (shift + paired));
    for (std::int64_t r = 0; r < rows; r += step) {
      const std::int64_t batch = std::min(step, rows - r);
      AlignedTile<BitsMap>(of_quad, row + r, 0, shift + paired, aligned, shift + paired)
          .Fill(batch);
      for (std::int64_t i = 0; i < batch; ++i) {
        Copy(aligned + i * (shift + paired) + shift, paired, packed + i * paired);
      }
      MapWords<Map>(packed, batch * paired, numbers);
      for (std::int64_t i = 0; i < batch; ++i) {
        Copy(numbers + i * paired, count, out + (r + i) * ld + c);
      }
    }
  }
}

template <class Map>
HWY_INLINE void MappedTile(const Words& words, std::int64_t row, std::int64_t rows,
                           std::int64_t column, std::int64_t columns, typename Map::Out* out,
                           std::int64_t ld) {
  if (rows <= 0 || columns <= 0) {
    return;
  }
  if ((words.offset + static_cast<std::uint64_t>(column)) % 4 == 0) {
    AlignedTile<Map>(words, row, column, columns, out, ld).Fill(rows);
  } else {
    ShiftedTile<Map>(words, row, rows, column, columns, out, ld);
  }
}

#endif  // HWY_TARGET != HWY_SCALAR

// ---- Entries -----------------------------------------------------------------------------------

// out [rows, ld] <- the numbers of rows [row, row + rows) of the batch and columns [column, column
// + columns); column must be even (a multiple of 4 is faster). Writes nothing beyond `columns` in a
// row. kSphere gives the normals that a row on the sphere is made of.
template <class T>
HWY_NOINLINE void RandomTile(Distribution distribution, const Words& words, std::int64_t row,
                             std::int64_t rows, std::int64_t column, std::int64_t columns, T* out,
                             std::int64_t ld) {
#if HWY_TARGET == HWY_SCALAR
  ScalarTile(distribution, words, row, rows, column, columns, out, ld);
#else
  switch (distribution) {
    case Distribution::kUniform:
      return MappedTile<UniformMap<T>>(words, row, rows, column, columns, out, ld);
    case Distribution::kRademacher:
      return MappedTile<RademacherMap<T>>(words, row, rows, column, columns, out, ld);
    case Distribution::kNormal:
    case Distribution::kSphere:
      return MappedTile<NormalMap<T>>(words, row, rows, column, columns, out, ld);
  }
#endif
}

// ---- Numbers where they are used ---------------------------------------------------------------
// A core that makes a tile of numbers and then sweeps over it waits for memory in between. Block by
// block, what is read for one is on its way while others are made.

#if HWY_TARGET != HWY_SCALAR
// A block as OverQuads makes it.
template <class Map, class Work = NoWork>
HWY_INLINE void BlockAt(const PhiloxKeys& keys, const LaneOrder<typename Map::Out, 4>& order,
                        std::uint64_t quad, std::uint64_t row, typename Map::Out* to,
                        const Work& work = {}) {
  const D64 d;
  const auto quads = hn::Set(d, quad);
  const auto rows = hn::Set(d, row);
  const auto last = hn::Set(d, ~std::uint64_t{0} >> 2);
  const hn::Vec<D64> quad_lanes[2] = {hn::And(hn::Add(quads, order.position[0]), last),
                                      hn::And(hn::Add(quads, order.position[1]), last)};
  const hn::Vec<D64> row_lanes[2] = {rows, rows};
  MakeBlock<Map, 4>(keys, quad_lanes, row_lanes, to, work);
}
#endif

// Calls take(at, numbers, count) for the normals of rows [row, row + rows), whole rows of `columns`
// numbers laid end to end: those from `at` on. blocks_suit(words, columns) must hold.
#if HWY_TARGET == HWY_SCALAR
template <class T, class Take>
HWY_INLINE void ForNormals(const Words& words, std::int64_t row, std::int64_t rows,
                           std::int64_t columns, const Take& take) {
  constexpr std::int64_t kChunk = 64;
  T numbers[kChunk];
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t column = 0; column < columns; column += kChunk) {
      const std::int64_t count = std::min(kChunk, columns - column);
      ScalarTile(Distribution::kNormal, words, row + r, 1, column, count, numbers, count);
      take(r * columns + column, numbers, count);
    }
  }
}
template <class T, class Take>
HWY_INLINE void ForNormalPairs(const Words& words, std::int64_t row, std::int64_t rows,
                               const Take& take) {
  ForNormals<T>(words, row, rows, 2, take);
}
template <class T, class Take>
HWY_INLINE void ForNormalRows(const Words& words, std::int64_t row, std::int64_t rows,
                              std::int64_t columns, const Take& take) {
  ForNormals<T>(words, row, rows, columns, take);
}
#else
// Rows of two.
template <class T, class Take>
HWY_INLINE void ForNormalPairs(const Words& words, std::int64_t row, std::int64_t rows,
                               const Take& take) {
  const std::int64_t lanes = hn::Lanes(D32());
  const PhiloxKeys keys(words.seed);
  const std::uint64_t first_quad = words.offset / 4;
  const std::uint64_t first_row =
      static_cast<std::uint64_t>(words.first_row) + static_cast<std::uint64_t>(row);
  HWY_ALIGN T numbers[4 * kMaxBlock];
  const LaneOrder<T, 2> order;
  const auto quad = hn::Set(D64(), first_quad & ~std::uint64_t{0} >> 2);
  const hn::Vec<D64> quad_lanes[2] = {quad, quad};
  for (std::int64_t r = 0; r < rows; r += 2 * lanes) {
    hn::Vec<D64> row_lanes[2][2];
    TwoBlocksOfRows(order, first_row + static_cast<std::uint64_t>(r), row_lanes);
    MakeTwoBlocks<NormalMap<T>>(keys, quad_lanes, row_lanes, numbers);
    take(2 * r, numbers, 2 * std::min(2 * lanes, rows - r));
  }
}
// Longer ones.
template <class T, class Take>
HWY_INLINE void ForNormalRows(const Words& words, std::int64_t row, std::int64_t rows,
                              std::int64_t columns, const Take& take) {
  const std::int64_t lanes = hn::Lanes(D32());
  const PhiloxKeys keys(words.seed);
  const std::uint64_t first_quad = words.offset / 4;
  std::uint64_t in_row =
      static_cast<std::uint64_t>(words.first_row) + static_cast<std::uint64_t>(row);
  HWY_ALIGN T numbers[4 * kMaxBlock];
  const LaneOrder<T, 4> order;
  // One loop: rows of two blocks are common.
  const std::int64_t block = 4 * lanes;
  std::int64_t column = 0;
  for (std::int64_t at = 0; at < rows * columns;) {
    BlockAt<NormalMap<T>>(keys, order, first_quad + static_cast<std::uint64_t>(column / 4), in_row,
                          numbers);
    const std::int64_t count = std::min(block, columns - column);
    take(at, numbers, count);
    at += count;
    column += count;
    if (column == columns) {
      column = 0;
      ++in_row;
    }
  }
}
template <class T, class Take>
HWY_INLINE void ForNormals(const Words& words, std::int64_t row, std::int64_t rows,
                           std::int64_t columns, const Take& take) {
  if (columns == 2) {
    ForNormalPairs<T>(words, row, rows, take);
  } else {
    ForNormalRows<T>(words, row, rows, columns, take);
  }
}
#endif

// The words themselves; any column.
inline HWY_NOINLINE void RandomBitsTile(const Words& words, std::int64_t row, std::int64_t rows,
                                        std::int64_t column, std::int64_t columns,
                                        std::uint32_t* out, std::int64_t ld) {
#if HWY_TARGET == HWY_SCALAR
  ScalarBitsTile(words, row, rows, column, columns, out, ld);
#else
  MappedTile<BitsMap>(words, row, rows, column, columns, out, ld);
#endif
}

}  // namespace HWY_NAMESPACE
}  // namespace scf::random
HWY_AFTER_NAMESPACE();

#endif
