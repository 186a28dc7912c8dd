// The cells that are kernels: one time step forward and one backward, for a tile of sequences.
//
// H hidden (padded to a multiple of 16), R rows packed as PackedSequence, g gates in torch's order.
// `terms` are the products x W_ih (with the input of the lane's own direction and with that of the
// other direction) and h W_hh. The forward pass keeps in `saved` (R, slots, H) what the backward
// pass reads. The backward pass writes the gradients of the gates' pre-activations into `sums`
// (R, slots, H). They take the place of the saved values, as long sequences leave the cache; the
// plain cells have no saved values, and their sums are apart.
//
// In the equations, h and c are the state and the memory before a step, h' and c' those after it,
// a is a pre-activation, and dy stands for dL/dy. The slopes are tanh'(y) = 1 - y^2 and
// sigma'(y) = y (1 - y), where y is the output of the function.
#pragma once

#include "functions.h"
#include "products.h"

namespace seqsweep {
namespace {

enum Cell : int32_t {
  TANH = 0, RELU = 1, GRU = 2, LSTM = 3, INDRNN_TANH = 4, INDRNN_RELU = 5, PROGRAM = 6
};

// The numbers of a cell: the gates that read the input, and the slots of `saved`.
struct Sizes {
  int gates, saved;
};
constexpr Sizes SIZES[] = {{1, 0}, {1, 0}, {3, 4}, {4, 6}, {1, 0}, {1, 0}, {1, 0}};

constexpr int gates_of(int32_t cell) { return SIZES[cell].gates; }
constexpr int saved_slots(int32_t cell) { return SIZES[cell].saved; }
constexpr bool sums_are_apart(int32_t cell) { return SIZES[cell].saved == 0; }
constexpr int sum_slots(int32_t cell) { return sums_are_apart(cell) ? 1 : SIZES[cell].saved; }

// Whether all units of a layer read all states of the step before, through the matrices W_hh.
constexpr bool has_matrices(int32_t cell) { return cell <= LSTM; }
constexpr bool is_independent(int32_t cell) { return cell == INDRNN_TANH || cell == INDRNN_RELU; }
constexpr bool has_relu(int32_t cell) { return cell == RELU || cell == INDRNN_RELU; }

// The derivatives of tanh and of the logistic function, from their outputs.
SEQSWEEP_INLINE Vector tanh_slope(Vector a) { return fma(-a, a, splat(1.0f)); }
SEQSWEEP_INLINE Vector sigmoid_slope(Vector a) { return fma(-a, a, a); }

// The plain cell: h' = tanh(b + x W + h W), or relu instead of tanh. In the IndRNN each unit reads
// its own state alone: h' = tanh(b + x W + u h).
struct PlainForward {
  Term terms[3];
  const float* bias;
  float* states;
  Index H;
  bool relu;
  const float* factor; // u (H,) of the IndRNN; null for other cells
  const float* before; // the states of the step before, with a factor; null for zero
  static constexpr bool has_long_end = false;

  template <int MR, int NV> static void run(const PlainForward& f, int first) {
    Vector acc[MR][NV];
    each_vector<MR, NV>([&](int i, int v) { acc[i][v] = load(f.bias + v * VL); });
    for (const Term& term : f.terms)
      if (term.depth) multiply_add<MR, NV>(acc, term, first);
    if (f.before) {
      each_vector<MR, NV>([&](int i, int v) {
        const Vector h = load(f.before + (first + i) * f.H + v * VL);
        acc[i][v] = fma(load(f.factor + v * VL), h, acc[i][v]);
      });
    }
    each_vector<MR, NV>([&](int i, int v) {
      const Vector state = f.relu ? larger(zero(), acc[i][v]) : tanh(acc[i][v]);
      store(f.states + (first + i) * f.H + v * VL, state);
    });
  }
};

// The arguments of all backward kernels. The gradient of a state is `outer`, from the layer above,
// plus the gradient from the step after it, through the terms and `carry`.
struct Backward {
  Term terms[4];
  int used;            // how many of the terms; to look for empty ones is slow
  const float* outer;  // null for zero
  const float* states; // of this step
  const float* before; // of the step before; null for zero
  const float* saved;
  float* sums;
  float* carry;        // (B, H) the gradient from the step after, without the terms
  float* total;        // (R, H) receives the gradient of the states; null if it is not needed
  const float* factor; // u (H,) of the IndRNN; null for other cells
  Index H;
  bool has_later, relu;
  static constexpr bool has_long_end = true;
};

// Returns 0 for numbers so small that their products would be subnormal, which are slow. Gradients
// that fade over many steps become so small.
SEQSWEEP_INLINE Vector without_tiny(Vector x) {
  return larger(x, -x) < splat(0x1p-90f) ? zero() : x;
}

// Starts from `outer`. With `adds_carry` the gradient from the step after is `carry`.
template <int MR, int NV>
SEQSWEEP_INLINE void state_gradient(Vector (&acc)[MR][NV], const Backward& f, int first,
                                    bool adds_carry) {
  each_vector<MR, NV>([&](int i, int v) {
    const Index at = (first + i) * f.H + v * VL;
    acc[i][v] = f.outer ? load(f.outer + at) : zero();
    if (adds_carry) acc[i][v] = acc[i][v] + load(f.carry + at);
  });
}

template <int MR, int NV>
SEQSWEEP_INLINE void add_later(Vector (&acc)[MR][NV], const Backward& f, int first) {
  for (int n = 0; n < f.used; n++) multiply_add<MR, NV>(acc, f.terms[n], first);
  if (f.total) {
    each_vector<MR, NV>([&](int i, int v) {
      store(f.total + (first + i) * f.H + v * VL, acc[i][v]);
    });
  }
}

struct PlainBackward : Backward {
  static constexpr bool has_long_end = false;

  template <int MR, int NV> static void run(const PlainBackward& f, int first) {
    Vector acc[MR][NV];
    state_gradient(acc, f, first, f.factor && f.has_later);
    add_later(acc, f, first);
    each_vector<MR, NV>([&](int i, int v) {
      const Index at = (first + i) * f.H + v * VL;
      const Vector h = load(f.states + at);
      const Vector dh = f.factor ? acc[i][v] : without_tiny(acc[i][v]);
      const Vector sum = f.relu ? (h > zero() ? dh : zero()) : dh * tanh_slope(h);
      store(f.sums + at, sum);
      if (f.factor) store(f.carry + at, without_tiny(sum * load(f.factor + v * VL)));
    });
  }
};

// The GRU, whose bracket has a bias of its own:
//   r, z    = sigmoid(b + x W + h W)
//   bracket = b + h W
//   n       = tanh(b + x W + r bracket)
//   h'      = (1 - z) n + z h
struct GruForward {
  Term terms[3];      // panels of one vector each of r, z and n; the last term is h W
  const float* bias;  // (4, H): of r, z, n, and of the bracket
  const float* before;
  float* saved;       // r, z, n and the bracket; null if they are not needed
  float* states;
  Index H;
  static constexpr bool has_long_end = true;

  template <int MR, int NV> static void run(const GruForward& f, int first) {
    static_assert(NV == 3, "one vector for each gate");
    Vector acc[MR][3], new_input[MR];
    each_vector<MR, 3>([&](int i, int gate) { acc[i][gate] = load(f.bias + gate * f.H); });
    multiply_add<MR, 3>(acc, f.terms[0], first);
    if (f.terms[1].depth) multiply_add<MR, 3>(acc, f.terms[1], first);
#pragma GCC unroll 16
    for (int i = 0; i < MR; i++) {
      new_input[i] = acc[i][2];
      acc[i][2] = load(f.bias + 3 * f.H);
    }
    if (f.terms[2].depth) multiply_add<MR, 3>(acc, f.terms[2], first);
#pragma GCC unroll 16
    for (int i = 0; i < MR; i++) {
      const Vector r = sigmoid(acc[i][0]), z = sigmoid(acc[i][1]), bracket = acc[i][2];
      const Vector n = tanh(fma(r, bracket, new_input[i]));
      const Vector h = f.before ? load(f.before + (first + i) * f.H) : zero();
      store(f.states + (first + i) * f.H, fma(z, h - n, n));
      if (f.saved) {
        float* saved = f.saved + (first + i) * 4 * f.H;
        store(saved, r);
        store(saved + f.H, z);
        store(saved + 2 * f.H, n);
        store(saved + 3 * f.H, bracket);
      }
    }
  }
};

// The slots of `sums` are da_r, da_z, da_n and the gradient of the bracket:
//   da_n     = dh' (1 - z) tanh'(n)
//   da_r     = da_n bracket sigma'(r)
//   da_z     = dh' (h - n) sigma'(z)
//   dbracket = da_n r
//   dh       = dh' z + the products of the sums with W_hh
struct GruBackward : Backward {
  template <int MR, int NV> static void run(const GruBackward& f, int first) {
    Vector acc[MR][NV];
    state_gradient(acc, f, first, f.has_later);
    add_later(acc, f, first);
    const Vector one = splat(1.0f);
    each_vector<MR, NV>([&](int i, int v) {
      const Index at = (first + i) * f.H + v * VL, wide = (first + i) * 4 * f.H + v * VL;
      const Vector r = load(f.saved + wide), z = load(f.saved + wide + f.H);
      const Vector n = load(f.saved + wide + 2 * f.H), bracket = load(f.saved + wide + 3 * f.H);
      const Vector h = f.before ? load(f.before + at) : zero(), dh = without_tiny(acc[i][v]);
      const Vector dn = dh * (one - z) * tanh_slope(n);
      store(f.sums + wide, dn * bracket * sigmoid_slope(r));
      store(f.sums + wide + f.H, dh * (h - n) * sigmoid_slope(z));
      store(f.sums + wide + 2 * f.H, dn);
      store(f.sums + wide + 3 * f.H, dn * r);
      store(f.carry + at, dh * z);
    });
  }
};

// The LSTM:
//   i, f, o = sigmoid(b + x W + h W)
//   g       = tanh(b + x W + h W)
//   c'      = f c + i g
//   h'      = o tanh(c')
struct LstmForward {
  Term terms[3];           // panels of one vector each of i, f, g and o
  const float* bias;       // (4, H)
  const float* before;     // the memory c of the step before, in rows of `before_row`
  Index before_row;
  float* saved;            // i, f, g, o, c' and tanh(c'), in rows of 6 H
  float* states;
  Index H;
  static constexpr bool has_long_end = false;

  template <int MR, int NV> static void run(const LstmForward& f, int first) {
    static_assert(NV == 4, "one vector for each gate");
    Vector acc[MR][4];
    each_vector<MR, 4>([&](int i, int gate) { acc[i][gate] = load(f.bias + gate * f.H); });
    for (const Term& term : f.terms)
      if (term.depth) multiply_add<MR, 4>(acc, term, first);
#pragma GCC unroll 16
    for (int r = 0; r < MR; r++) {
      const Vector i = sigmoid(acc[r][0]), forget = sigmoid(acc[r][1]);
      const Vector g = tanh(acc[r][2]), o = sigmoid(acc[r][3]);
      const Vector c = f.before ? load(f.before + (first + r) * f.before_row) : zero();
      const Vector memory = fma(forget, c, i * g), squashed = tanh(memory);
      float* saved = f.saved + (first + r) * 6 * f.H;
      store(saved, i);
      store(saved + f.H, forget);
      store(saved + 2 * f.H, g);
      store(saved + 3 * f.H, o);
      store(saved + 4 * f.H, memory);
      store(saved + 5 * f.H, squashed);
      store(f.states + (first + r) * f.H, o * squashed);
    }
  }
};

// `carry` holds dc', and `before` is `saved` of the step before. The slots of `sums` are da_i,
// da_f, da_g and da_o:
//   dc'  = carry + dh' o (1 - tanh(c')^2)
//   da_i = dc' g sigma'(i)
//   da_f = dc' c sigma'(f)
//   da_g = dc' i tanh'(g)
//   da_o = dh' tanh(c') sigma'(o)
//   dc   = dc' f
struct LstmBackward : Backward {
  template <int MR, int NV> static void run(const LstmBackward& f, int first) {
    Vector acc[MR][NV];
    state_gradient(acc, f, first, false);
    add_later(acc, f, first);
    each_vector<MR, NV>([&](int r, int v) {
      const Index at = (first + r) * f.H + v * VL;
      const float* saved = f.saved + (first + r) * 6 * f.H + v * VL;
      const Vector i = load(saved), forget = load(saved + f.H), g = load(saved + 2 * f.H);
      const Vector o = load(saved + 3 * f.H), squashed = load(saved + 5 * f.H);
      const Index memory = (first + r) * 6 * f.H + 4 * f.H + v * VL;
      const Vector c = f.before ? load(f.before + memory) : zero(), dh = without_tiny(acc[r][v]);
      const Vector later = f.has_later ? load(f.carry + at) : zero();
      const Vector dc = without_tiny(fma(dh * o, tanh_slope(squashed), later));
      float* sums = f.sums + (first + r) * 6 * f.H + v * VL;
      store(sums, dc * g * sigmoid_slope(i));
      store(sums + f.H, dc * c * sigmoid_slope(forget));
      store(sums + 2 * f.H, dc * i * tanh_slope(g));
      store(sums + 3 * f.H, dh * squashed * sigmoid_slope(o));
      store(f.carry + at, dc * forget);
    });
  }
};

}  // namespace
}  // namespace seqsweep
