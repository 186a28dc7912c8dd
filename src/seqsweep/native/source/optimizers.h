// The optimizers of torch.optim on flat vectors of P parameters, and the norm of the gradient.
#pragma once

#include "vectors.h"

namespace seqsweep {
namespace {

enum Optimizer : int32_t { ADAM = 0, ADAMW = 1, SGD = 2, RMSPROP = 3 };

// The hyperparameters by torch's names. Each optimizer reads only its own.
struct Options {
  double lr, beta1, beta2, eps, weight_decay, momentum, nesterov, alpha;
};

// Returns the Euclidean norm: 16 chains by index modulo 16, which are summed in double after every
// 1,024 numbers, because long chains of floats lose digits.
inline double norm_of(const float* g, Index P) {
  double sum = 0;
  for (Index first = 0; first < P; first += 1024) {
    const Index end = P - first < 1024 ? P : first + 1024;
    Vector chains[16 / VL] = {};
    for (Index i = first; i < end; i += 16) {
      float tail[16] = {};
      const bool is_whole = i + 16 <= end;
      for (Index k = i; k < end && !is_whole; k++) tail[k - i] = g[k];
      for (int n = 0; n < 16 / VL; n++) {
        const Vector part = load((is_whole ? g + i : tail) + n * VL);
        chains[n] = fma(part, part, chains[n]);
      }
    }
    float lanes[16];
    for (int n = 0; n < 16 / VL; n++) store(lanes + n * VL, chains[n]);
    for (float lane : lanes) sum += lane;
  }
  return __builtin_sqrt(sum);
}

inline double whole_power(double base, int64_t exponent) {
  double power = 1;
  for (; exponent; exponent >>= 1, base *= base)
    if (exponent & 1) power *= base;
  return power;
}

// Applies rule(w, g, first, second) to all vectors. A last vector that is not full is copied.
template <class Rule>
SEQSWEEP_INLINE void each_parameter(Index P, float* w, const float* g, float* first,
                                           float* second, float scale, Rule&& rule) {
  const Index whole = P / VL * VL;
  const Vector by = splat(scale);
  const auto apply = [&](float* weights, const float* gradient, float* m, float* v) {
    Vector W = load(weights), M = load(m), V = load(v);
    rule(W, load(gradient) * by, M, V);
    store(weights, W);
    store(m, M);
    store(v, V);
  };
  for (Index i = 0; i < whole; i += VL) apply(w + i, g + i, first + i, second + i);
  if (whole == P) return;
  float parts[4][VL] = {};
  const Index left = P - whole;
  const float* from[4] = {w, g, first, second};
  for (int n = 0; n < 4; n++)
    for (Index i = 0; i < left; i++) parts[n][i] = from[n][whole + i];
  apply(parts[0], parts[1], parts[2], parts[3]);
  float* to[4] = {w, nullptr, first, second};
  for (int n = 0; n < 4; n++)
    for (Index i = 0; i < left && to[n]; i++) to[n][whole + i] = parts[n][i];
}

// Updates the parameters once. `step` counts from 1. `first` and `second` are the moments, in the
// order of torch; an optimizer with only one moment gets it as both.
inline void update(int32_t optimizer, const Options& o, int64_t step, Index P, float* w,
                          const float* g, float* first, float* second, float scale) {
  const Vector decay = splat((float)o.weight_decay);
  if (optimizer == ADAM || optimizer == ADAMW) {
    const bool is_apart = optimizer == ADAMW;
    const double size = o.lr / (1 - whole_power(o.beta1, step));
    const double root = __builtin_sqrt(1 - whole_power(o.beta2, step));
    const Vector rest1 = splat((float)(1 - o.beta1)), beta2 = splat((float)o.beta2);
    const Vector rest2 = splat((float)(1 - o.beta2)), eps = splat((float)o.eps);
    const Vector move = splat((float)-size), correction = splat((float)(1 / root));
    const Vector keep = splat((float)(1 - o.lr * o.weight_decay));
    each_parameter(P, w, g, first, second, scale, [&](Vector& W, Vector G, Vector& M, Vector& V) {
      if (is_apart) W = W * keep;
      else G = fma(W, decay, G);
      M = fma(G - M, rest1, M);
      V = fma(G * rest2, G, V * beta2);
      W = fma(move, M / fma(square_root(V), correction, eps), W);
    });
  } else if (optimizer == SGD) {
    const Vector momentum = splat((float)o.momentum), move = splat((float)-o.lr);
    const bool has_momentum = o.momentum != 0, looks_ahead = o.nesterov != 0;
    each_parameter(P, w, g, first, first, scale, [&](Vector& W, Vector G, Vector& M, Vector& V) {
      G = fma(W, decay, G);
      if (has_momentum) {
        M = fma(M, momentum, G);
        G = looks_ahead ? fma(M, momentum, G) : M;
      }
      V = M;  // both are the same moment
      W = fma(move, G, W);
    });
  } else {
    const Vector alpha = splat((float)o.alpha), rest = splat((float)(1 - o.alpha));
    const Vector momentum = splat((float)o.momentum), eps = splat((float)o.eps);
    const Vector move = splat((float)-o.lr);
    const bool has_momentum = o.momentum != 0;
    each_parameter(P, w, g, first, second, scale, [&](Vector& W, Vector G, Vector& V, Vector& M) {
      G = fma(W, decay, G);
      V = fma(G * rest, G, V * alpha);
      Vector change = G / (square_root(V) + eps);
      if (has_momentum) change = M = fma(M, momentum, change);
      W = fma(move, change, W);
    });
  }
}

}  // namespace
}  // namespace seqsweep
