// Matrix instructions of a warp: mma.sync, ldmatrix.
//
// In every fragment layout of mma, "group" is lane / 4 and "member" is lane % 4. A fragment element
// i of lane l is the matrix element that the functions below give.
#include <algorithm>
#include <cmath>

#include "access.h"
#include "float_formats.h"
#include "isa_apply.h"

namespace ptxvm {
namespace {

enum MatrixType : uint8_t { kHalf, kBFloat, kTensorFloat, kDouble, kSingle };

struct Shape {
  int m, n, k;
};

// Packed into Instruction::list after the rows: m, n, k, input type, accumulator type.
struct Multiply {
  Shape shape;
  MatrixType input, result, accumulator;
  const uint32_t *d, *a, *b, *c;  // rows
};

struct Element {
  int row, column;
};

// 16-bit inputs come in pairs of neighbours along k; the others one by one.
Element element_of_a(const Multiply& mul, int lane, int i) {
  const int group = lane / 4, member = lane % 4;
  if (mul.input == kHalf || mul.input == kBFloat) {
    return {group + 8 * ((i >> 1) & 1), 2 * member + (i & 1) + 8 * (i >> 2)};
  }
  if (mul.shape.m == 8) return {group, member + 4 * i};
  return {group + 8 * (i & 1), member + 4 * (i >> 1)};
}

Element element_of_b(const Multiply& mul, int lane, int i) {
  const int group = lane / 4, member = lane % 4;
  if (mul.input == kHalf || mul.input == kBFloat) {
    return {2 * member + (i & 1) + 8 * (i >> 1), group};
  }
  return {member + 4 * i, group};
}

Element element_of_c(int lane, int i) {
  return {lane / 4 + 8 * (i >> 1), 2 * (lane % 4) + (i & 1)};
}

int bits_of(MatrixType type) {
  if (type == kDouble) return 64;
  return type == kHalf || type == kBFloat ? 16 : 32;
}

double read_element(Warp& warp, const uint32_t* rows, MatrixType type, int lane, int i) {
  switch (type) {
    case kDouble:
      return read_slot<double>(warp.row64(rows[i])[lane]);
    case kSingle:
      return read_slot<float>(warp.row32(rows[i])[lane]);
    // The tensor core ignores the low 13 bits of a tf32 operand.
    case kTensorFloat:
      return bit_cast<float>(warp.row32(rows[i])[lane] & 0xFFFFE000u);
    default:
      break;
  }
  const uint32_t bits = warp.row32(rows[i / 2])[lane] >> (16 * (i & 1)) & 0xFFFF;
  return type == kHalf ? half_to_double(bits) : static_cast<double>(bfloat_to_float(bits));
}

void write_element(Warp& warp, const uint32_t* rows, MatrixType type, int lane, int i,
                   double value) {
  if (type == kDouble) {
    warp.row64(rows[i])[lane] = to_slot(value);
  } else if (type == kSingle) {
    const auto result = static_cast<float>(value);
    warp.row32(rows[i])[lane] = result != result ? 0x7FFFFFFFu : to_slot(result);
  } else {
    uint32_t& slot = warp.row32(rows[i / 2])[lane];
    const uint32_t bits = round_to_format(value, kHalfFormat, Rounding::kNearestEven);
    const int shift = 16 * (i & 1);
    slot = (slot & ~(0xFFFFu << shift)) | bits << shift;
  }
}

// The hardware as we best know it: the terms of a block and the accumulator are aligned to the
// largest of them, cut to about 25 bits, summed, and the sum is cut to f32.
double truncated_sum(const double* terms, int count, double accumulator) {
  double largest = std::fabs(accumulator);
  for (int i = 0; i < count; ++i) {
    const double size = std::fabs(terms[i]);
    largest = size > largest ? size : largest;  // where one is a NaN, so is the plain sum
  }
  double plain = accumulator;
  for (int i = 0; i < count; ++i) plain += terms[i];
  if (largest == 0 || !std::isfinite(plain) || !std::isfinite(largest)) return plain;
  // Powers of two by their bits: products of narrow numbers are no subnormal doubles.
  const auto exponent = static_cast<int>(bit_cast<uint64_t>(largest) >> 52) - 1022;
  const auto unit = bit_cast<double>(static_cast<uint64_t>(exponent - 25 + 1023) << 52);
  const auto units = bit_cast<double>(static_cast<uint64_t>(25 - exponent + 1023) << 52);
  double sum = std::trunc(accumulator * units);
  for (int i = 0; i < count; ++i) sum += std::trunc(terms[i] * units);
  return round_to_zero(sum * unit);
}

double dot_product(const Multiply& mul, const double* a, const double* b, double c,
                   bool truncates) {
  const int k = mul.shape.k;
  if (mul.input == kDouble) {
    for (int i = 0; i < k; ++i) c = std::fma(a[i], b[i], c);
    return c;
  }
  double terms[16];
  for (int i = 0; i < k; ++i) terms[i] = a[i] * b[i];
  if (!truncates) {
    for (int i = 0; i < k; ++i) c += terms[i];
    return c;
  }
  const int block = mul.input == kTensorFloat ? 4 : 8;
  for (int i = 0; i < k; i += block) c = truncated_sum(terms + i, std::min(block, k - i), c);
  return c;
}

Multiply unpack(const Instruction& in) {
  const size_t counts[4] = {in.list[0], in.list[1], in.list[2], in.list[3]};
  Multiply mul{};
  mul.shape = {static_cast<int>(in.list[4]), static_cast<int>(in.list[5]),
               static_cast<int>(in.list[6])};
  mul.input = static_cast<MatrixType>(in.list[7]);
  mul.result = static_cast<MatrixType>(in.list[8]);
  mul.accumulator = static_cast<MatrixType>(in.list[9]);
  mul.d = in.list.data() + 10;
  mul.a = mul.d + counts[0];
  mul.b = mul.a + counts[1];
  mul.c = mul.b + counts[2];
  return mul;
}

void multiply(Warp& warp, const Instruction& in, uint32_t mask) {
  const Multiply mul = unpack(in);
  const Shape& shape = mul.shape;
  double a[16][16], b[8][16], c[16][8];  // b by columns
  for (size_t i = 10 + in.list[0]; i < in.list.size(); ++i) {
    warp.require_defined(in.list[i], mask, "a fragment of mma");
  }
  const int a_count = shape.m * shape.k / kLanes, b_count = shape.n * shape.k / kLanes;
  const int c_count = shape.m * shape.n / kLanes;
  for (int lane = 0; lane < kLanes; ++lane) {
    for (int i = 0; i < a_count; ++i) {
      const Element at = element_of_a(mul, lane, i);
      a[at.row][at.column] = read_element(warp, mul.a, mul.input, lane, i);
    }
    for (int i = 0; i < b_count; ++i) {
      const Element at = element_of_b(mul, lane, i);
      b[at.column][at.row] = read_element(warp, mul.b, mul.input, lane, i);
    }
    for (int i = 0; i < c_count; ++i) {
      const Element at = element_of_c(lane, i);
      c[at.row][at.column] = read_element(warp, mul.c, mul.accumulator, lane, i);
    }
  }
  const bool truncates = warp.block().launch().mma_truncates;
  for (int lane = 0; lane < kLanes; ++lane) {
    for (int i = 0; i < c_count; ++i) {
      const Element at = element_of_c(lane, i);
      const double sum = dot_product(mul, a[at.row], b[at.column], c[at.row][at.column], truncates);
      write_element(warp, mul.d, mul.result, lane, i, sum);
    }
  }
  for (const uint32_t* row = mul.d; row != mul.a; ++row) warp.set_defined(*row, mask, kAllLanes);
  if (Counters* counters = warp.block().counters()) {
    counters->matrix_operations += static_cast<uint64_t>(shape.m) * shape.n * shape.k;
  }
}

bool parse_matrix_type(const std::string& name, MatrixType* type) {
  if (name == "f16")
    *type = kHalf;
  else if (name == "bf16")
    *type = kBFloat;
  else if (name == "tf32")
    *type = kTensorFloat;
  else if (name == "f64")
    *type = kDouble;
  else if (name == "f32")
    *type = kSingle;
  else
    return false;
  return true;
}

bool parse_shape(const Statement& statement, Shape* shape) {
  constexpr std::pair<const char*, Shape> kShapes[] = {{"m16n8k16", {16, 8, 16}},
                                                       {"m16n8k8", {16, 8, 8}},
                                                       {"m16n8k4", {16, 8, 4}},
                                                       {"m8n8k4", {8, 8, 4}}};
  for (const auto& [name, known] : kShapes) {
    if (!statement.has(name)) continue;
    *shape = known;
    return true;
  }
  return false;
}

void decode_multiply(Decoder& decoder, Instruction* in) {
  const Statement& statement = decoder.statement();
  Shape shape{};
  MatrixType types[4];  // d a b c
  const size_t first = statement.opcode.size() - 4;
  for (size_t i = 0; i < 4; ++i) {
    if (!parse_matrix_type(statement.opcode.at(first + i), &types[i])) decoder.unsupported();
  }
  if (!parse_shape(statement, &shape) || types[1] != types[2] || !statement.has("row") ||
      !statement.has("col") || (shape.m == 8 && types[1] != kDouble)) {
    decoder.unsupported();
  }
  const MatrixType operand_types[4] = {types[0], types[1], types[2], types[3]};
  const int sizes[4] = {shape.m * shape.n, shape.m * shape.k, shape.n * shape.k, shape.m * shape.n};
  std::vector<uint32_t> rows;
  for (size_t i = 0; i < 4; ++i) {
    const bool wide = operand_types[i] == kDouble;
    std::vector<Operand> elements{decoder.operand(i)};
    if (decoder.operand(i).kind == Operand::Kind::kVector) elements = decoder.operand(i).elements;
    const int bits = sizes[i] / kLanes * bits_of(operand_types[i]);
    if (elements.size() != static_cast<size_t>(bits / (wide ? 64 : 32))) decoder.unsupported();
    in->list.push_back(static_cast<uint32_t>(elements.size()));
    for (const Operand& element : elements) {
      const Type type{TypeKind::kBits, static_cast<uint8_t>(wide ? 64 : 32)};
      rows.push_back(i == 0 ? decoder.destination(element) : decoder.source(element, type));
    }
  }
  for (const int size : {shape.m, shape.n, shape.k}) {
    in->list.push_back(static_cast<uint32_t>(size));
  }
  for (const MatrixType type : {types[1], types[0], types[3]}) in->list.push_back(type);
  in->list.insert(in->list.end(), rows.begin(), rows.end());
  in->execute = &multiply;
}

// --- ldmatrix: 8 x 8 matrices of 16-bit elements ---

Place row_place(Warp& warp, const Instruction& in, int address_lane, AccessKind kind) {
  const Space space = in.space;
  const Place place =
      resolve(warp, address_lane, space, lane_address(warp, in, address_lane), 16, kind);
  if (place.space != Space::kShared) {
    fail(kErrorIllegalAddress, "out of bounds", "the matrix is not in shared memory", address_lane);
  }
  return place;
}

void count_rows(Warp& warp, const Instruction& in, int matrices) {
  Counters* counters = warp.block().counters();
  if (counters == nullptr) return;
  for (int matrix = 0; matrix < matrices; ++matrix) {  // one phase a matrix
    uint64_t addresses[kLanes] = {};
    for (int row = 0; row < 8; ++row) {
      addresses[matrix * 8 + row] = lane_address(warp, in, matrix * 8 + row);
    }
    counters->count_shared(addresses, 0xFFu << (matrix * 8), 16);
  }
}

// Where lane's pair of elements lies in the matrix: along a row, or along a column when transposed.
Element pair_element(int lane, int half, bool transposed) {
  const Element plain{lane / 4, 2 * (lane % 4) + half};
  return transposed ? Element{plain.column, plain.row} : plain;
}

void load_matrix(Warp& warp, const Instruction& in, uint32_t mask) {
  const int matrices = static_cast<int>(in.list.size());
  const uint32_t with_address = matrices == 4 ? kAllLanes : (1u << (8 * matrices)) - 1;
  warp.require_defined(in.source[0], with_address, "the address");
  count_rows(warp, in, matrices);
  uint32_t results[4][kLanes];
  uint32_t defined[4] = {};  // lanes, by matrix
  for (int matrix = 0; matrix < matrices; ++matrix) {
    uint16_t elements[8][8];
    uint16_t states[8][8];
    for (int row = 0; row < 8; ++row) {
      const int lane = matrix * 8 + row;
      const Place place = row_place(warp, in, lane, AccessKind::kLoad);
      check_written(warp, place, 16, lane);
      warp.block().races().read(warp.index(), 1u << lane, place.offset, 16, warp.pc(),
                                SharedRaces::Strength::kPlain);
      std::memcpy(elements[row], place.data, 16);
      std::memcpy(states[row], place.states, 16);
    }
    for (int lane = 0; lane < kLanes; ++lane) {
      uint32_t word = 0;
      bool whole = true;
      for (int half = 0; half < 2; ++half) {
        const Element at = pair_element(lane, half, in.target == 1);
        word |= static_cast<uint32_t>(elements[at.row][at.column]) << (16 * half);
        whole = whole && states[at.row][at.column] == (kDefined << 8 | kDefined);
      }
      if (whole) defined[matrix] |= 1u << lane;
      results[matrix][lane] = word;
    }
  }
  for (int matrix = 0; matrix < matrices; ++matrix) {
    const uint32_t unit = in.list[static_cast<size_t>(matrix)];
    std::memcpy(warp.row32(unit), results[matrix], sizeof results[matrix]);
    warp.set_defined(unit, mask, defined[matrix]);
    if (defined[matrix] != kAllLanes) warp.note_unwritten_read(~defined[matrix]);
  }
}

}  // namespace

void decode_matrix(Decoder& decoder, Instruction* in) {
  const Statement& statement = decoder.statement();
  const std::string& base = statement.opcode[0];
  in->step = Step::kSync;
  in->op_class = OpClass::kMatrix;
  in->aligned = true;
  if (!statement.has("sync") || !statement.has("aligned")) decoder.unsupported();
  if (base == "mma") return decode_multiply(decoder, in);
  if (!statement.has("m8n8") || statement.opcode.back() != "b16") decoder.unsupported();
  const bool shared = statement.has("shared") || statement.has("shared::cta");
  decoder.address(decoder.operand(1), in, shared ? Space::kShared : Space::kGeneric);
  const Operand& value = decoder.operand(0);
  std::vector<Operand> elements{value};
  if (value.kind == Operand::Kind::kVector) elements = value.elements;
  for (const Operand& element : elements) in->list.push_back(decoder.destination(element));
  in->target = statement.has("trans") ? 1 : 0;
  in->execute = &load_matrix;
}

}  // namespace ptxvm
