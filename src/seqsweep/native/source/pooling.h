// The pooling of the last layer: the final state, or the mean or maximum over the steps.
//
// B batch, R rows, H hidden (padded). The steps of the reverse lane are in its own order of time.
#pragma once

#include "workspace.h"

namespace seqsweep {
namespace {

SEQSWEEP_INLINE float inverse_length(const Batch& batch, int b) {
  return 1.0f / (float)(batch.ends[b] + 1);
}

// Pools states (R, H) into (B, H). For the maximum, `chosen` (B, H) receives the row of each.
inline void pool(int32_t pooling, const Batch& batch, Index H, const float* states,
                        float* pooled, int32_t* chosen) {
  for (int b = 0; b < batch.size; b++) {
    float* out = pooled + b * H;
    if (pooling == LAST) {
      copy(out, states + (batch.starts[batch.ends[b]] + b) * H, H);
      continue;
    }
    copy(out, states + b * H, H);
    if (pooling == MAX)
      for (Index j = 0; j < H; j++) chosen[b * H + j] = b;
    for (int t = 1; t <= batch.ends[b]; t++) {
      const Index row = batch.starts[t] + b;
      for (Index j = 0; j < H; j += VL) {
        const Vector state = load(states + row * H + j), best = load(out + j);
        if (pooling == MEAN) {
          store(out + j, best + state);
          continue;
        }
        // A NaN counts as the largest, as it does in torch.
        const Integers is_larger = (state > best) | ((state != state) & (best == best));
        store(out + j, is_larger ? state : best);
        Integers rows = Integers{} + (int32_t)row, earlier;
        __builtin_memcpy(&earlier, chosen + b * H + j, sizeof earlier);
        rows = is_larger ? rows : earlier;
        __builtin_memcpy(chosen + b * H + j, &rows, sizeof rows);
      }
    }
    if (pooling == MEAN) {
      const Vector inverse = splat(inverse_length(batch, b));
      for (Index j = 0; j < H; j += VL) store(out + j, load(out + j) * inverse);
    }
  }
}

// Turns the gradient of the pooled states into that of the states. For the mean it computes, in
// place, the gradient of each step of a sequence; for the maximum it fills `outer` (R, H). For the
// final state the two gradients are the same.
inline void unpool(int32_t pooling, const Batch& batch, Index H, float* pooled_gradient,
                          const int32_t* chosen, float* outer) {
  if (pooling == MEAN) {
    for (int b = 0; b < batch.size; b++) {
      const Vector inverse = splat(inverse_length(batch, b));
      float* gradient = pooled_gradient + b * H;
      for (Index j = 0; j < H; j += VL) store(gradient + j, load(gradient + j) * inverse);
    }
  } else if (pooling == MAX) {
    clear(outer, batch.rows * H);
    for (int b = 0; b < batch.size; b++)
      for (Index j = 0; j < H; j++)
        outer[chosen[b * H + j] * H + j] = pooled_gradient[b * H + j];
  }
}

}  // namespace
}  // namespace seqsweep
