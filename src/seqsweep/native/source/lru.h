// The Linear Recurrent Unit: one lane forward and backward.
//
//   p  = b + x W                     the projected input, which also skips the recurrence
//   s' = lambda s + exp(gamma) B p   complex, with a real and an imaginary part of H units each
//   y  = Re(C s') + D p
//   e  = gelu(y), in its tanh form
//   h' = p + u sigmoid(v), where u, v = b + e W_glu
//
// R rows packed as PackedSequence, H hidden (padded), K units. `scaled` is exp(gamma) B.
#pragma once

#include "workspace.h"

namespace seqsweep {
namespace {

// The planes (R, H) of `saved`. Each slot lies apart, because the products of the gradient read
// one at a time. A name that begins with D is a gradient; four of them take the place of values
// that are not read after them. DP is first, because the gradient of W reads it.
enum LruPlanes {
  DP = 0, P = 1, RE = 2, IM = 3, Y = 4, TANH_Y = 5, E = 6, U = 7, GATE = 8, DY = 9,
  DRE = Y, DIM = TANH_Y, DU = U, DV = GATE
};

// The offsets of a lane's weights behind its input weights.
struct LruWeights {
  Index bias, nu, theta, gamma, b[2], c[2], d, glu, glu_bias;
};

inline LruWeights lru_weights(const LaneWeights& at, Index K) {
  const Index n = at.input_bias, m = n + 4 * K, d = m + 4 * K * K;
  return {n, n + K, n + 2 * K, n + 3 * K, {m, m + K * K}, {m + 2 * K * K, m + 3 * K * K},
          d, d + K, d + K + 2 * K * K};
}

// The constants of one lane, in its panels.
struct LruPanels {
  float *b, *c, *glu;                             // packed: (K, 2 H), two of (K, H), (K, 2 H)
  float *scaled;                                  // (2, K, K)
  float *re, *im;                                 // (H,) lambda
  float *rate, *theta, *growth;                   // (H,) exp of nu, theta and gamma
  float *d, *glu_bias;                            // (H,), (2 H,)
};

inline LruPanels lru_panels(const LanePanels& panels, Index K, Index H) {
  float *c = panels.hidden + 2 * K * H, *scaled = c + 4 * K * H, *re = scaled + 2 * K * K;
  return {panels.hidden, c, c + 2 * K * H, scaled, re, re + H, re + 2 * H, re + 3 * H, re + 4 * H,
          re + 5 * H, re + 6 * H};
}

inline void pack_lru(const Workspace& w, const Lane& lane, const float* weights, Index K) {
  const Index H = w.H;
  const LruWeights n = lru_weights(lane.at, K);
  const LruPanels to = lru_panels(lane.panels, K, H);
  clear(to.re, 8 * H);
  copy(to.rate, weights + n.nu, K);
  copy(to.theta, weights + n.theta, K);
  copy(to.growth, weights + n.gamma, K);
  copy(to.d, weights + n.d, K);
  for (Index j = 0; j < H; j += VL) {
    Vector sine, cosine;
    const Vector rate = exp(load(to.rate + j)), theta = exp(load(to.theta + j));
    const Vector size = exp(-rate);
    sin_cos(theta, sine, cosine);
    store(to.rate + j, rate);
    store(to.theta + j, theta);
    store(to.re + j, size * cosine);
    store(to.im + j, size * sine);
    store(to.growth + j, exp(load(to.growth + j)));
  }
  for (int part = 0; part < 2; part++) {
    float* scaled = to.scaled + part * K * K;
    for (Index j = 0; j < K; j++)
      for (Index k = 0; k < K; k++)
        scaled[j * K + k] = to.growth[j] * weights[n.b[part] + j * K + k];
    pack_transposed(weights + n.c[part], K, K, K, to.c + part * K * H);
  }
  // Re(C s) has minus the product of the imaginary parts.
  for (Index k = 0; k < K * H; k += VL) store(to.c + K * H + k, -load(to.c + K * H + k));
  pack_gates(to.scaled, K, K, K, 2, to.b);
  pack_gates(weights + n.glu, K, K, K, 2, to.glu);
  for (int part = 0; part < 2; part++)
    copy(to.glu_bias + part * H, weights + n.glu_bias + part * K, K);
}

constexpr float GELU = 0.7978845608028654f, GELU_CUBE = 0.044715f;

// The three kernels of a step after p. They read and write the planes of `kept`.
struct LruState {
  Term terms[1];
  const float *re, *im, *before;  // lambda, and `kept` of the step before; null for zero
  float* kept;
  Index H, plane;  // the floats of a row and of a plane
  static constexpr bool has_long_end = true;

  template <int MR, int NV> static void run(const LruState& f, int first) {
    Vector acc[MR][NV] = {};
    multiply_add<MR, NV>(acc, f.terms[0], first);
    const Vector re = load(f.re), im = load(f.im);
#pragma GCC unroll 16
    for (int i = 0; i < MR; i++) {
      const Index row = (first + i) * f.H;
      if (f.before) {
        const Vector a = load(f.before + row + RE * f.plane);
        const Vector b = load(f.before + row + IM * f.plane);
        acc[i][0] = fma(re, a, fma(-im, b, acc[i][0]));
        acc[i][1] = fma(re, b, fma(im, a, acc[i][1]));
      }
      store(f.kept + row + RE * f.plane, acc[i][0]);
      store(f.kept + row + IM * f.plane, acc[i][1]);
    }
  }
};

struct LruOutput {
  Term terms[2];
  const float* d;
  float* kept;
  Index H, plane;
  static constexpr bool has_long_end = true;

  template <int MR, int NV> static void run(const LruOutput& f, int first) {
    Vector acc[MR][NV] = {};
    for (const Term& term : f.terms) multiply_add<MR, NV>(acc, term, first);
    each_vector<MR, NV>([&](int i, int v) {
      float* kept = f.kept + (first + i) * f.H + v * VL;
      const Vector y = fma(load(f.d + v * VL), load(kept + P * f.plane), acc[i][v]);
      const Vector cubic = fma(splat(GELU_CUBE) * y * y, y, y), t = tanh(splat(GELU) * cubic);
      store(kept + Y * f.plane, y);
      store(kept + TANH_Y * f.plane, t);
      store(kept + E * f.plane, splat(0.5f) * y * (splat(1.0f) + t));
    });
  }
};

struct LruGate {
  Term terms[1];
  const float* bias;  // (2, H)
  float *kept, *states;
  Index H, plane;
  static constexpr bool has_long_end = true;

  template <int MR, int NV> static void run(const LruGate& f, int first) {
    Vector acc[MR][NV];
    each_vector<MR, NV>([&](int i, int gate) { acc[i][gate] = load(f.bias + gate * f.H); });
    multiply_add<MR, NV>(acc, f.terms[0], first);
#pragma GCC unroll 16
    for (int i = 0; i < MR; i++) {
      float* kept = f.kept + (first + i) * f.H;
      const Vector gate = sigmoid(acc[i][1]);
      store(kept + U * f.plane, acc[i][0]);
      store(kept + GATE * f.plane, gate);
      store(f.states + (first + i) * f.H, fma(acc[i][0], gate, load(kept + P * f.plane)));
    }
  }
};

// Computes the states and the saved values of one step of a lane.
inline void lru_forward(const Workspace& w, const Lane& lane, Index K, const Term& own,
                        const Term& other, int rows, const float* before, float* kept,
                        float* states) {
  const Index H = w.H, plane = w.lane_rows * H;
  const LruPanels at = lru_panels(lane.panels, K, H);
  multiply({{own, other}, lane.panels.bias, 0, kept + P * plane, H}, rows, H);
  each_gate_panel<2>(H, rows, [&](Index j) {
    return LruState{{{kept + P * plane, H, 1, at.b, 0, (int)K}}, at.re + j, at.im + j,
                    before ? before + j : nullptr, kept + j, H, plane};
  });
  LruOutput f = {{{kept + RE * plane, H, 1, at.c, 0, (int)K},
                  {kept + IM * plane, H, 1, at.c + K * H, 0, (int)K}}, nullptr, nullptr, H, plane};
  each_panel(f, H, [&](int nv, Index column) {
    f.d = at.d + column;
    f.kept = kept + column;
    run_rows(f, nv, rows);
  });
  each_gate_panel<2>(H, rows, [&](Index j) {
    return LruGate{{{kept + E * plane, H, 1, at.glu, 0, (int)K}}, at.glu_bias + j, kept + j,
                   states + j, H, plane};
  });
}

// Packs the matrices of the backward pass: W_glu, C and the scaled B, two of (K, H) each.
inline void pack_lru_back(const Workspace& w, const Lane& lane, const float* weights, Index K) {
  const Index block = K * w.H;
  const LruWeights n = lru_weights(lane.at, K);
  const LruPanels from = lru_panels(lane.panels, K, w.H);
  for (int part = 0; part < 2; part++) {
    pack(weights + n.glu + part * K * K, K, K, K, w.back_panels + part * block);
    pack(weights + n.c[part], K, K, K, w.back_panels + (2 + part) * block);
    pack(from.scaled + part * K * K, K, K, K, w.back_panels + (4 + part) * block);
  }
  float* imaginary = w.back_panels + 3 * block;
  for (Index k = 0; k < block; k += VL) store(imaginary + k, -load(imaginary + k));
}

// The sums over all rows that the backward pass collects in `scratch`, one row of H each.
enum LruTotals { T_BIAS, T_U, T_V, T_D, T_RE, T_IM, TOTALS };

// Computes the sums of `count` rows of one step. `outer` and, of the step after, `later` are null
// for zero, as is `before`, which is `kept` of the step before.
inline void lru_backward(const Workspace& w, const Lane& lane, Index K, int count,
                         const float* outer, const float* before, float* kept,
                         const float* later, float* total) {
  const Index H = w.H, plane = w.lane_rows * H, block = K * H;
  const LruPanels at = lru_panels(lane.panels, K, H);
  const Vector one = splat(1.0f), half = splat(0.5f);
  const auto product = [&](LruPlanes a, LruPlanes b, int panel, const float* start, LruPlanes out) {
    const float* packed = w.back_panels + panel * block;
    Product p = {{}, start, H, kept + out * plane, H};
    p.terms[0] = {kept + a * plane, H, 1, packed, 0, (int)K};
    if (b != a) p.terms[1] = {kept + b * plane, H, 1, packed + block, 0, (int)K};
    multiply(p, count, H);
  };
  const auto each_part = [&](auto&& f) {
    for (Index i = 0; i < count; i++)
      for (Index j = 0; j < H; j += VL) f(i, j, kept + i * H + j);
  };
  const auto collect = [&](LruTotals which, Index j, Vector a, Vector b) {
    float* to = w.scratch + which * H + j;
    store(to, fma(a, b, load(to)));
  };
  each_part([&](Index i, Index j, float* k) {
    const Vector dh = outer ? load(outer + i * H + j) : zero(), gate = load(k + GATE * plane);
    const Vector du = dh * gate, dv = dh * load(k + U * plane) * sigmoid_slope(gate);
    store(k + DP * plane, dh);
    store(k + DU * plane, du);
    store(k + DV * plane, dv);
    collect(T_U, j, du, one);
    collect(T_V, j, dv, one);
  });
  product(DU, DV, 0, nullptr, DY);
  each_part([&](Index i, Index j, float* k) {
    const Vector y = load(k + Y * plane), t = load(k + TANH_Y * plane);
    // gelu'(y) = (1 + t) / 2 + y / 2 (1 - t^2) c (1 + 3 a y^2), where t = tanh(c (y + a y^3))
    const Vector inner = splat(GELU) * fma(splat(3 * GELU_CUBE) * y, y, one);
    const Vector dy = load(k + DY * plane) * half * fma(y * tanh_slope(t), inner, one + t);
    store(k + DY * plane, dy);
    store(k + DP * plane, fma(load(at.d + j), dy, load(k + DP * plane)));
    collect(T_D, j, dy, load(k + P * plane));
    const float* n = later + i * H + j;
    const Vector re = load(at.re + j), im = load(at.im + j);
    const Vector a = later ? load(n + DRE * plane) : zero();
    const Vector b = later ? load(n + DIM * plane) : zero();
    store(k + DRE * plane, without_tiny(fma(re, a, im * b)));
    store(k + DIM * plane, without_tiny(fma(re, b, -im * a)));
  });
  product(DY, DY, 2, kept + DRE * plane, DRE);
  product(DY, DY, 3, kept + DIM * plane, DIM);
  product(DRE, DIM, 4, kept + DP * plane, DP);
  each_part([&](Index i, Index j, float* s) {
    const Vector a = load(s + DRE * plane), b = load(s + DIM * plane);
    collect(T_BIAS, j, load(s + DP * plane), one);
    if (total) store(total + i * H + j, square_root(fma(a, a, b * b)));
    if (!before) return;
    const float* k = before + i * H + j;
    const Vector re = load(k + RE * plane), im = load(k + IM * plane);
    collect(T_RE, j, a, re);
    collect(T_RE, j, b, im);
    collect(T_IM, j, b, re);
    collect(T_IM, j, -a, im);
  });
}

// Computes the gradients of a lane's weights behind its input weights.
inline void lru_gradient(const Workspace& w, const Lane& lane, Index K) {
  const Index H = w.H, plane = w.lane_rows * H;
  const LruWeights n = lru_weights(lane.at, K);
  const LruPanels from = lru_panels(lane.panels, K, H);
  float *gradient = w.gradient, *scratch = w.scratch;
  for (Index j = 0; j < H; j += VL) {
    const Vector re = load(from.re + j), im = load(from.im + j);
    const Vector a = load(scratch + T_RE * H + j), b = load(scratch + T_IM * H + j);
    store(scratch + T_RE * H + j, -load(from.rate + j) * fma(a, re, b * im));
    store(scratch + T_IM * H + j, load(from.theta + j) * fma(b, re, -a * im));
  }
  const Index to[TOTALS] = {n.bias, n.glu_bias, n.glu_bias + K, n.d, n.nu, n.theta};
  for (int which = 0; which < TOTALS; which++) copy(gradient + to[which], scratch + which * H, K);
  const auto matrix = [&](LruPlanes a, LruPlanes b, Index out, float sign) {
    multiply_rows(K, H, w.batch.rows, lane.saved + a * plane, H, lane.saved + b * plane, H, scratch,
                  false);
    for (Index j = 0; j < K; j++)
      for (Index k = 0; k < K; k++) gradient[out + j * K + k] = sign * scratch[j * H + k];
  };
  matrix(DU, E, n.glu, 1);
  matrix(DV, E, n.glu + K * K, 1);
  matrix(DY, RE, n.c[0], 1);
  matrix(DY, IM, n.c[1], -1);
  matrix(DRE, P, n.b[0], 1);
  matrix(DIM, P, n.b[1], 1);
  for (Index j = 0; j < K; j++) {
    float sum = 0;  // dL/dgamma of unit j, because the scaled B is exp(gamma) B
    for (int part = 0; part < 2; part++) {
      float* d = gradient + n.b[part] + j * K;
      for (Index k = 0; k < K; k++) {
        sum += d[k] * from.scaled[(part * K + j) * K + k];
        d[k] *= from.growth[j];
      }
    }
    gradient[n.gamma + j] = sum;
  }
}

}  // namespace
}  // namespace seqsweep
