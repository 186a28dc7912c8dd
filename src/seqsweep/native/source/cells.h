// The three cells: one time step forward and one backward, for a tile of sequences.
//
// H hidden (padded to a multiple of 16), R rows packed as PackedSequence, g gates in torch's order.
// `terms` are the products x W_ih (of the lane's own input, and of the other direction's) and
// h W_hh. What training needs later lies in `saved` (R, slots, H); the gradients of the gates'
// inputs in `sums` (R, slots, H).
#pragma once

#include "functions.h"
#include "products.h"

namespace seqsweep {
namespace {

enum Cell : int32_t { TANH = 0, RELU = 1, GRU = 2, LSTM = 3 };

constexpr int gates_of(int32_t cell) { return cell == LSTM ? 4 : cell == GRU ? 3 : 1; }
constexpr int saved_slots(int32_t cell) { return cell == LSTM ? 6 : cell == GRU ? 4 : 0; }
constexpr int sum_slots(int32_t cell) { return cell >= GRU ? 4 : 1; }

// 1 - a * a and a * (1 - a), the derivatives of tanh and of the logistic function by their value.
SEQSWEEP_INLINE Vector tanh_slope(Vector a) { return fma(-a, a, splat(1.0f)); }
SEQSWEEP_INLINE Vector sigmoid_slope(Vector a) { return fma(-a, a, a); }

// h' = tanh(b + x W + h W), or relu.
struct PlainForward {
  Term terms[3];
  const float* bias;
  float* states;
  Index H;
  bool relu;
  static constexpr bool has_long_end = false;

  template <int MR, int NV> static void run(const PlainForward& f, int first) {
    Vector acc[MR][NV];
#pragma GCC unroll 16
    for (int i = 0; i < MR; i++)
#pragma GCC unroll 8
      for (int v = 0; v < NV; v++) acc[i][v] = load(f.bias + v * VL);
    for (const Term& term : f.terms)
      if (term.depth) multiply_add<MR, NV>(acc, term, first);
#pragma GCC unroll 16
    for (int i = 0; i < MR; i++)
#pragma GCC unroll 8
      for (int v = 0; v < NV; v++) {
        const Vector state = f.relu ? larger(zero(), acc[i][v]) : tanh(acc[i][v]);
        store(f.states + (first + i) * f.H + v * VL, state);
      }
  }
};

// What all backward kernels begin with: the gradient of a state is `outer`, from what reads the
// state above, and what the next step hands back through the terms.
struct Backward {
  Term terms[4];
  const float* outer;  // null: zero
  const float* states; // of this step
  const float* before; // of the step before, null: zero
  const float* saved;
  float* sums;
  float* carry;        // (B, H) what the next step hands back besides the terms
  float* total;        // (R, H) for the gradient of the state itself, or null
  Index H;
  bool has_later, relu;
};

template <int MR, int NV>
SEQSWEEP_INLINE void state_gradient(Vector (&acc)[MR][NV], const Backward& f, int first) {
#pragma GCC unroll 16
  for (int i = 0; i < MR; i++)
#pragma GCC unroll 8
    for (int v = 0; v < NV; v++)
      acc[i][v] = f.outer ? load(f.outer + (first + i) * f.H + v * VL) : zero();
}

template <int MR, int NV>
SEQSWEEP_INLINE void add_later(Vector (&acc)[MR][NV], const Backward& f, int first) {
  for (const Term& term : f.terms)
    if (term.depth) multiply_add<MR, NV>(acc, term, first);
  if (f.total) {
#pragma GCC unroll 16
    for (int i = 0; i < MR; i++)
#pragma GCC unroll 8
      for (int v = 0; v < NV; v++) store(f.total + (first + i) * f.H + v * VL, acc[i][v]);
  }
}

struct PlainBackward : Backward {
  static constexpr bool has_long_end = false;

  template <int MR, int NV> static void run(const PlainBackward& f, int first) {
    Vector acc[MR][NV];
    state_gradient(acc, f, first);
    add_later(acc, f, first);
#pragma GCC unroll 16
    for (int i = 0; i < MR; i++)
#pragma GCC unroll 8
      for (int v = 0; v < NV; v++) {
        const Index at = (first + i) * f.H + v * VL;
        const Vector h = load(f.states + at), dh = acc[i][v];
        store(f.sums + at, f.relu ? (h > zero() ? dh : zero()) : dh * tanh_slope(h));
      }
  }
};

// r, z = sigmoid(b + x W + h W);  n = tanh(b + x W + r (b + h W));  h' = (1 - z) n + z h.
struct GruForward {
  Term terms[3];      // panels of one vector each of r, z and n; the last term is h W
  const float* bias;  // (4, H): r, z, n, and that inside the bracket
  const float* before;
  float* saved;       // r, z, n, and the bracket; null: they are not needed
  float* states;
  Index H;
  static constexpr bool has_long_end = true;

  template <int MR, int NV> static void run(const GruForward& f, int first) {
    static_assert(NV == 3, "one vector for each gate");
    Vector acc[MR][3], new_input[MR];
#pragma GCC unroll 16
    for (int i = 0; i < MR; i++)
#pragma GCC unroll 3
      for (int gate = 0; gate < 3; gate++) acc[i][gate] = load(f.bias + gate * f.H);
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

// `sums` has the slots r, z, n (of the input's side) and n (of the state's side).
struct GruBackward : Backward {
  static constexpr bool has_long_end = true;

  template <int MR, int NV> static void run(const GruBackward& f, int first) {
    Vector acc[MR][NV];
    state_gradient(acc, f, first);
    if (f.has_later) {
#pragma GCC unroll 16
      for (int i = 0; i < MR; i++)
#pragma GCC unroll 8
        for (int v = 0; v < NV; v++)
          acc[i][v] = acc[i][v] + load(f.carry + (first + i) * f.H + v * VL);
    }
    add_later(acc, f, first);
    const Vector one = splat(1.0f);
#pragma GCC unroll 16
    for (int i = 0; i < MR; i++)
#pragma GCC unroll 8
      for (int v = 0; v < NV; v++) {
        const Index at = (first + i) * f.H + v * VL, wide = (first + i) * 4 * f.H + v * VL;
        const Vector r = load(f.saved + wide), z = load(f.saved + wide + f.H);
        const Vector n = load(f.saved + wide + 2 * f.H), bracket = load(f.saved + wide + 3 * f.H);
        const Vector h = f.before ? load(f.before + at) : zero(), dh = acc[i][v];
        const Vector dn = dh * (one - z) * tanh_slope(n);
        store(f.sums + wide, dn * bracket * sigmoid_slope(r));
        store(f.sums + wide + f.H, dh * (h - n) * sigmoid_slope(z));
        store(f.sums + wide + 2 * f.H, dn);
        store(f.sums + wide + 3 * f.H, dn * r);
        store(f.carry + at, dh * z);
      }
  }
};

// i, f, o = sigmoid(b + x W + h W);  g = tanh(the same);  c' = f c + i g;  h' = o tanh(c').
struct LstmForward {
  Term terms[3];           // panels of one vector each of i, f, g and o
  const float* bias;       // (4, H)
  const float* before;     // the cell's memory c of the step before, in rows of `before_row`
  Index before_row;
  float* saved;            // i, f, g, o, c' and tanh(c'); rows of 6 H, all of them needed
  float* states;
  Index H;
  static constexpr bool has_long_end = false;

  template <int MR, int NV> static void run(const LstmForward& f, int first) {
    static_assert(NV == 4, "one vector for each gate");
    Vector acc[MR][4];
#pragma GCC unroll 16
    for (int i = 0; i < MR; i++)
#pragma GCC unroll 4
      for (int gate = 0; gate < 4; gate++) acc[i][gate] = load(f.bias + gate * f.H);
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

// `carry` holds the gradient of the memory; `before` is `saved` of the step before.
struct LstmBackward : Backward {
  static constexpr bool has_long_end = true;

  template <int MR, int NV> static void run(const LstmBackward& f, int first) {
    Vector acc[MR][NV];
    state_gradient(acc, f, first);
    add_later(acc, f, first);
#pragma GCC unroll 16
    for (int r = 0; r < MR; r++)
#pragma GCC unroll 8
      for (int v = 0; v < NV; v++) {
        const Index at = (first + r) * f.H + v * VL;
        const float* saved = f.saved + (first + r) * 6 * f.H + v * VL;
        const Vector i = load(saved), forget = load(saved + f.H), g = load(saved + 2 * f.H);
        const Vector o = load(saved + 3 * f.H), squashed = load(saved + 5 * f.H);
        const Index memory = (first + r) * 6 * f.H + 4 * f.H + v * VL;
        const Vector c = f.before ? load(f.before + memory) : zero(), dh = acc[r][v];
        const Vector later = f.has_later ? load(f.carry + at) : zero();
        const Vector dc = fma(dh * o, tanh_slope(squashed), later);
        float* sums = f.sums + (first + r) * 4 * f.H + v * VL;
        store(sums, dc * g * sigmoid_slope(i));
        store(sums + f.H, dc * c * sigmoid_slope(forget));
        store(sums + 2 * f.H, dc * i * tanh_slope(g));
        store(sums + 3 * f.H, dh * squashed * sigmoid_slope(o));
        store(f.carry + at, dc * forget);
      }
  }
};

}  // namespace
}  // namespace seqsweep
