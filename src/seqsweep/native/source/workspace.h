// The memory of one training step. Nothing is allocated: the caller gives one piece of memory,
// which all arrays share.
//
// B batch, T steps, R = T B rows at most, F features, H hidden (padded to a multiple of 16),
// L layers, D directions, N = L D lanes, C classes, P parameters, g gates.
#pragma once

#include "batches.h"
#include "instructions.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace seqsweep {
namespace {

enum Pooling : int32_t { LAST = 0, MEAN = 1, MAX = 2 };

// The offsets of one lane's weights in the flat vector of all parameters, in torch's order.
struct LaneWeights {
  Index input, hidden, input_bias, hidden_bias, end;  // some are empty; a program has only `input`
  Index input_width;  // columns of weight_ih
};

inline LaneWeights lane_weights(const Shape& shape, int layer, int direction) {
  const Index K = shape.hidden, G = gates_of(shape.cell) * K;
  const Index above = shape.directions * K;
  const Index by_state = has_matrices(shape.cell) ? G * K : is_independent(shape.cell) ? K : 0;
  const Index others = has_matrices(shape.cell) ? G : 0;
  const Index own = by_state + G + others;  // all but the input weights
  Index first = G * shape.features + own, later = G * above + own;
  if (const Program* p = shape.program) {
    first = size_of(*p, p->weights_count, K, shape.features);
    later = size_of(*p, p->weights_count, K, above);
  }
  LaneWeights at;
  at.input_width = layer ? above : shape.features;
  at.input = layer ? shape.directions * (first + (layer - 1) * later) + direction * later
                   : direction * first;
  at.hidden = at.input + G * at.input_width;
  at.input_bias = at.hidden + by_state;
  at.hidden_bias = at.input_bias + G;
  at.end = shape.program ? at.input + (layer ? later : first) : at.hidden_bias + others;
  return at;
}

// Returns the offset of one weight of a program.
inline Index weight_start(const Shape& shape, const LaneWeights& at, int weight) {
  return at.input + size_of(*shape.program, weight, shape.hidden, at.input_width);
}

inline Index head_weights(const Shape& shape) {
  return lane_weights(shape, shape.layers - 1, shape.directions - 1).end;
}

inline Index parameters(const Shape& shape) {
  return head_weights(shape) + shape.classes * ((Index)shape.directions * shape.hidden + 1);
}

// The packed weights of one lane, as the forward kernels read them.
struct LanePanels {
  float *own, *other, *hidden, *bias;
};

// Hands out pieces of the memory; with `base` 0 it only counts their size.
struct Arena {
  uintptr_t base;
  size_t used;

  template <class T> T* take(Index count) {
    T* piece = (T*)(base + used);
    const size_t bytes = (size_t)count * sizeof(T);
    used += (bytes + 63) / 64 * 64;
#if defined(__SANITIZE_ADDRESS__)
    // A poisoned gap catches accesses beyond a piece, which would hit the next one.
    used += 64;
    if (base) {
      __asan_unpoison_memory_region(piece, bytes);
      __asan_poison_memory_region((char*)piece + bytes, base + used - (uintptr_t)piece - bytes);
    }
#endif
    return piece;
  }
};

struct Workspace {
  Index H, columns;      // padded hidden, padded classes
  // The largest R, made odd: planes a power of two apart would share few lines of the cache.
  Index lane_rows;
  Batch batch;
  float* x;              // (D, R, F)
  float* states;         // (N, R, H)
  float* saved;          // (N, R, slots, H), for a program (N, slots, R, H)
  float* dropped;        // (N - D, R, H) the input of the next layer, after dropout
  float* other;          // (N - D, R, H) the other direction, in the lane's order
  float* panels;         // (N, panel_size)
  Index panel_size, own_size;
  float *head_panels, *head_bias;        // (D, H, columns), (columns,)
  float *pooled, *pooled_gradient;       // (D, B, H)
  int32_t* chosen;                       // (D, B, H) the row of each maximum
  float *logits, *logits_by_class;       // (B, columns), (C, B padded)
  float* logits_gradient;                // (C, B padded)
  float* losses;                         // (B padded,)
  float *sums, *carry;                   // (R, H) if the sums are apart, (B, H); see program.h
  float *outer, *outer_other;            // (D, R, H)
  float* back_panels;                    // (g H, H), or those of a program; (C, H) for the head
  float *gradient, *scratch;             // (P,), a padded block and 25 rows, for vector_gradients
  float *blocks, *chunks, *zeros;        // the registers of a program, (H,) zeros
  int32_t* chunk_starts;                 // (T,) the first step of each chunk
  Index batch_rows, chunk_rows;          // B, the rows of a chunk
};

// Returns the size of the packed weights between the steps of a lane.
inline Index state_panel(int32_t cell, Index K, Index H) {
  return has_matrices(cell) ? K * gates_of(cell) * H : is_independent(cell) ? H : 0;
}

// Returns the planes of saved rows of a lane.
inline Index saved_size(const Shape& shape) {
  return shape.program ? shape.program->slots : saved_slots(shape.cell);
}

inline Workspace lay_out(const Shape& shape, Index B, Index T, Arena& arena) {
  Workspace w;
  const Index H = w.H = rounded_up(shape.hidden, 16), C = w.columns = rounded_up(shape.classes, 16);
  const Index D = shape.directions, N = shape.layers * D, R = w.lane_rows = B * T | 1;
  const Index padded = rounded_up(B, 16), F = shape.features, G = gates_of(shape.cell);
  const Index K = shape.hidden;
  w.batch.sequences = arena.take<int64_t>(B);
  w.batch.labels = arena.take<int32_t>(padded);
  w.batch.ends = arena.take<int32_t>(B);
  w.batch.counts = arena.take<int32_t>(T + 1);
  w.batch.starts = arena.take<int32_t>(T);
  w.batch.cursor = arena.take<int32_t>(T + 1);
  w.x = arena.take<float>(D * R * F);
  w.states = arena.take<float>(N * R * H);
  w.saved = arena.take<float>(N * R * saved_size(shape) * H);
  w.dropped = arena.take<float>(shape.has_dropout ? (N - D) * R * H : 0);
  w.other = arena.take<float>(D == 2 ? (N - D) * R * H : 0);
  w.own_size = (F > K ? F : K) * G * H;
  w.panel_size = w.own_size + (D == 2 && shape.layers > 1 ? K * G * H : 0) +
                 state_panel(shape.cell, K, H) + 4 * H;
  const Program* p = shape.program;
  if (p) w.panel_size = p->vectors * H + memory_of(shape, PRODUCT);
  w.panels = arena.take<float>(N * w.panel_size);
  w.head_panels = arena.take<float>(D * K * C);
  w.head_bias = arena.take<float>(C);
  w.pooled = arena.take<float>(D * B * H);
  w.pooled_gradient = arena.take<float>(D * B * H);
  w.chosen = arena.take<int32_t>(shape.pooling == MAX ? D * B * H : 0);
  w.logits = arena.take<float>(B * C);
  w.logits_by_class = arena.take<float>(shape.classes * padded);
  w.logits_gradient = arena.take<float>(shape.classes * padded);
  w.losses = arena.take<float>(padded);
  const Index sums = p ? p->gradients * H + memory_of(shape, OUTER)
                       : sums_are_apart(shape.cell) ? R * H : 0;
  w.sums = arena.take<float>(sums);
  w.carry = arena.take<float>((p ? p->states : 1) * B * H);
  w.outer = arena.take<float>(D * R * H);
  w.outer_other = arena.take<float>(D == 2 ? D * R * H : 0);
  const Index back = p ? memory_of(shape, TRANSPOSED) : G * K * H;
  w.back_panels = arena.take<float>(back + shape.classes * H);
  w.gradient = arena.take<float>(parameters(shape));
  const Index block = (F > K ? F : K) > shape.classes ? (F > K ? F : K) : shape.classes;
  w.scratch = arena.take<float>((block * G + 25) * H);
  w.batch_rows = B;
  w.chunk_rows = rows_of_chunk(B, H);
  w.blocks = arena.take<float>(p ? p->blocks * rows_of_block(H) * H : 0);
  w.chunks = arena.take<float>(p ? p->chunks * w.chunk_rows * H : 0);
  w.zeros = arena.take<float>(H);
  if (arena.base) clear(w.zeros, H);
  w.chunk_starts = arena.take<int32_t>(T);
  return w;
}

// The inputs of one lane: its own direction in rows of `own_row`, and the other direction or null.
struct Inputs {
  const float* own;
  Index own_row, own_depth;
  const float* other;
};

// One lane: the offsets of its weights, and its part of the workspace.
struct Lane {
  int layer, direction;
  LaneWeights at;
  LanePanels panels;
  Inputs inputs;
  float *states, *saved, *sums;
};

inline Lane lane_of(const Workspace& w, const Shape& shape, int layer, int direction) {
  const Index K = shape.hidden, F = shape.features, D = shape.directions;
  const Index index = layer * D + direction, size = w.lane_rows * w.H;
  Lane lane = {layer, direction, lane_weights(shape, layer, direction), {}, {}, nullptr, nullptr,
               w.sums};
  float* own = w.panels + index * w.panel_size;
  float* other = own + w.own_size + state_panel(shape.cell, K, w.H);
  const Index other_size = D == 2 && shape.layers > 1 ? K * gates_of(shape.cell) * w.H : 0;
  lane.panels = {own, other, own + w.own_size, other + other_size};
  lane.states = w.states + index * size;
  lane.saved = w.saved + index * size * saved_size(shape);
  if (!shape.program && !sums_are_apart(shape.cell)) lane.sums = lane.saved;
  lane.inputs = {w.x + direction * w.lane_rows * F, F, F, nullptr};
  if (layer) {
    const Index below = (index - D) * size;
    const float* of_states = (shape.has_dropout ? w.dropped : w.states) + below;
    lane.inputs = {of_states, w.H, K, D == 2 ? w.other + below : nullptr};
  }
  return lane;
}

}  // namespace
}  // namespace seqsweep
