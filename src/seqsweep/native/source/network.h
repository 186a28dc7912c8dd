// The forward pass of all layers, directions and the head, and the backward pass through time.
//
// B batch, T steps, R rows packed as PackedSequence, F features, H hidden (padded), L layers,
// D directions, C classes, g gates. A lane is one direction of one layer. Both lanes of a layer
// run forward in time: the reverse lane reads each sequence from its end, so both lanes end at the
// same step.
#pragma once

#include "pooling.h"
#include "program.h"

namespace seqsweep {
namespace {

inline void pack_weights(const Workspace& w, const Shape& shape, const float* weights) {
  const Index K = shape.hidden, H = w.H, D = shape.directions;
  const int gates = gates_of(shape.cell);
  for (int layer = 0; layer < shape.layers; layer++) {
    for (int direction = 0; direction < D; direction++) {
      const Lane lane = lane_of(w, shape, layer, direction);
      if (shape.program) {
        pack_program(w, shape, lane, weights);
        continue;
      }
      const LaneWeights& at = lane.at;
      const LanePanels& panels = lane.panels;
      const float* input = weights + at.input;
      const Index depth = layer ? K : shape.features;
      const auto pack_block = [&](const float* block, Index row, Index inputs, float* out) {
        if (gates == 1) pack_transposed(block, row, inputs, K, out);
        else pack_gates(block, row, inputs, K, gates, out);
      };
      pack_block(input + (layer ? direction * K : 0), at.input_width, depth, panels.own);
      if (layer && D == 2)
        pack_block(input + (1 - direction) * K, at.input_width, K, panels.other);
      if (has_matrices(shape.cell)) pack_block(weights + at.hidden, K, K, panels.hidden);
      if (is_independent(shape.cell)) {
        clear(panels.hidden, H);
        copy(panels.hidden, weights + at.hidden, K);
      }
      clear(panels.bias, 4 * H);
      const float *by_input = weights + at.input_bias, *by_state = weights + at.hidden_bias;
      for (int gate = 0; gate < gates; gate++) {
        for (Index j = 0; j < K; j++) {
          const Index n = gate * K + j;
          // The bracket of the GRU has a bias of its own.
          const bool is_apart = shape.cell == GRU && gate == 2;
          const bool has_two = has_matrices(shape.cell) && !is_apart;
          panels.bias[gate * H + j] = has_two ? by_input[n] + by_state[n] : by_input[n];
          if (is_apart) panels.bias[3 * H + j] = by_state[n];
        }
      }
    }
  }
  const float* head = weights + head_weights(shape);
  for (int direction = 0; direction < D; direction++)
    pack_transposed(head + direction * K, D * K, K, shape.classes,
                    w.head_panels + direction * K * w.columns);
  clear(w.head_bias, w.columns);
  copy(w.head_bias, head + shape.classes * D * K, shape.classes);
}

// Computes the states and the saved values of one lane, step by step.
inline void lane_forward(const Workspace& w, const Shape& shape, const Lane& lane) {
  if (shape.program) return program_forward(w, shape, lane);
  const Batch& batch = w.batch;
  const Index H = w.H;
  const int K = shape.hidden;
  const Inputs& inputs = lane.inputs;
  const LanePanels& panels = lane.panels;
  float *states = lane.states, *saved = lane.saved;
  const Index slots = saved_slots(shape.cell);
  for (int t = 0; t < batch.steps; t++) {
    const int rows = batch.counts[t];
    const Index row = batch.starts[t], row_before = t ? batch.starts[t - 1] : 0;
    float *out = states + row * H, *kept = saved + row * slots * H;
    const float* before = t ? states + row_before * H : nullptr;
    // These are functions, because a copy would have to wait for what was just written.
    const auto own = [&] {
      return Term{inputs.own + row * inputs.own_row, inputs.own_row, 1, panels.own, 0,
                  (int)inputs.own_depth};
    };
    const auto other = [&] {
      return Term{inputs.other ? inputs.other + row * H : nullptr, H, 1, panels.other, 0,
                  inputs.other ? K : 0};
    };
    const auto state = [&] {
      return Term{before, H, 1, panels.hidden, 0, before && has_matrices(shape.cell) ? K : 0};
    };
    const auto state_before = [&](Index j) { return before ? before + j : nullptr; };
    if (shape.cell == GRU) {
      each_gate_panel<3>(H, rows, [&](Index j) {
        return GruForward{{own(), other(), state()}, panels.bias + j, state_before(j), kept + j,
                          out + j, H};
      });
    } else if (shape.cell == LSTM) {
      const float* memory = t ? saved + (row_before * slots + 4) * H : nullptr;
      each_gate_panel<4>(H, rows, [&](Index j) {
        return LstmForward{{own(), other(), state()}, panels.bias + j,
                           memory ? memory + j : nullptr, slots * H, kept + j, out + j, H};
      });
    } else {
      PlainForward f = {{own(), other(), state()}, nullptr, nullptr, H, has_relu(shape.cell),
                        nullptr, nullptr};
      each_panel(f, H, [&](int nv, Index column) {
        f.bias = panels.bias + column;
        f.states = out + column;
        f.factor = panels.hidden + column;
        f.before = before && is_independent(shape.cell) ? before + column : nullptr;
        run_rows(f, nv, rows);
      });
    }
  }
}

// Prepares the input of the next layer: the states of `layer` after dropout, in both orders of
// time. `mask` (R, D K) is in the forward order of time, as torch draws it.
inline void pass_up(const Workspace& w, const Shape& shape, int layer, const float* mask) {
  const Index H = w.H, K = shape.hidden, D = shape.directions;
  for (int direction = 0; direction < D; direction++) {
    const Index lane = (layer * D + direction) * w.lane_rows * H;
    const float* states = w.states + lane;
    if (mask) {
      each_mirrored_row(w.batch, [&](Index row, Index mirrored) {
        const float* factors = mask + (direction ? mirrored : row) * D * K + direction * K;
        float* out = w.dropped + lane + row * H;
        for (Index j = 0; j < K; j++) out[j] = states[row * H + j] * factors[j];
        clear(out + K, H - K);
      });
      states = w.dropped + lane;
    }
    if (D == 2) {
      float* other = w.other + (layer * D + 1 - direction) * w.lane_rows * H;
      each_mirrored_row(w.batch, [&](Index row, Index mirrored) {
        copy(other + row * H, states + mirrored * H, H);
      });
    }
  }
}

// Returns the mask of one layer; null without dropout. `masks` holds all layers in turn.
inline const float* layer_mask(const Workspace& w, const Shape& shape, const float* masks,
                                      int layer) {
  if (!masks) return nullptr;
  return masks + layer * w.batch.rows * shape.directions * shape.hidden;
}

// Fills `logits` (B, columns) for the batch in the workspace.
inline void forward(const Workspace& w, const Shape& shape, const Data& data,
                           const float* masks) {
  const Index H = w.H, D = shape.directions, K = shape.hidden, B = w.batch.size;
  for (int direction = 0; direction < D; direction++)
    gather(w.batch, data, direction == 1, w.x + direction * w.lane_rows * shape.features);
  for (int layer = 0; layer < shape.layers; layer++) {
    for (int direction = 0; direction < D; direction++)
      lane_forward(w, shape, lane_of(w, shape, layer, direction));
    if (layer + 1 < shape.layers && (D == 2 || masks))
      pass_up(w, shape, layer, layer_mask(w, shape, masks, layer));
  }
  Product head = {{}, w.head_bias, 0, w.logits, w.columns};
  for (int direction = 0; direction < D; direction++) {
    float* pooled = w.pooled + direction * B * H;
    pool(shape.pooling, w.batch, H, lane_of(w, shape, shape.layers - 1, direction).states, pooled,
         w.chosen + direction * B * H);
    head.terms[direction] = {pooled, H, 1, w.head_panels + direction * K * w.columns, 0, (int)K};
  }
  multiply(head, (int)B, w.columns);
}

// Computes the gradients of the head and of the pooled states.
inline void head_backward(const Workspace& w, const Shape& shape, const float* weights) {
  const Index H = w.H, D = shape.directions, K = shape.hidden, C = shape.classes;
  const Index B = w.batch.size, padded = rounded_up(B, 16);
  const float* head = weights + head_weights(shape);
  float* gradient = w.gradient + head_weights(shape);
  for (int direction = 0; direction < D; direction++) {
    const float* pooled = w.pooled + direction * B * H;
    float* pooled_gradient = w.pooled_gradient + direction * B * H;
    Product of_weights = {{{w.logits_gradient, padded, 1, pooled, H, (int)B}}, nullptr, 0,
                          w.scratch, H};
    multiply(of_weights, (int)C, H);
    for (Index c = 0; c < C; c++) copy(gradient + (c * D + direction) * K, w.scratch + c * H, K);
    pack(head + direction * K, D * K, C, K, w.back_panels);
    Product of_pooled = {{{w.logits_gradient, 1, padded, w.back_panels, 0, (int)C}}, nullptr, 0,
                         pooled_gradient, H};
    multiply(of_pooled, (int)B, H);
    unpool(shape.pooling, w.batch, H, pooled_gradient, w.chosen + direction * B * H,
           w.outer + direction * w.lane_rows * H);
  }
  for (Index c = 0; c < C; c++) {
    float sum = 0;
    for (Index b = 0; b < B; b++) sum += w.logits_gradient[c * padded + b];
    gradient[C * D * K + c] = sum;
  }
}

// Returns the slot of `sums` that the products with W_hh read. The GRU's bracket has its own.
SEQSWEEP_INLINE int state_slot(int32_t cell, int gate) {
  return cell == GRU && gate == 2 ? 3 : gate;
}

template <class Kernel>
inline void lane_backward(const Workspace& w, const Shape& shape, const Lane& lane,
                          const float* weights, const Outer& outer, float* total) {
  const Batch& batch = w.batch;
  const Index H = w.H, K = shape.hidden, slots = sum_slots(shape.cell);
  const Index kept = saved_slots(shape.cell);
  const int gates = gates_of(shape.cell);
  const float *states = lane.states, *saved = lane.saved;
  float* sums = lane.sums;
  const bool squares = has_matrices(shape.cell), independent = is_independent(shape.cell);
  for (int gate = 0; gate < gates && squares; gate++)
    pack(weights + lane.at.hidden + gate * K * K, K, K, K, w.back_panels + gate * K * H);
  for (int t = batch.steps - 1; t >= 0; t--) {
    const int rows = batch.counts[t], later = batch.counts[t + 1];
    const Index row = batch.starts[t], row_before = t ? batch.starts[t - 1] : 0;
    // First come the sequences that have a later step, then those that end here.
    for (int part = 0; part < 2; part++) {
      const Index first = part ? later : 0;
      const int count = part ? rows - later : later;
      if (!count) continue;
      const Index at = row + first;
      const bool has_outer = part || !outer.at_ends_only;
      const float* from = outer.rows + (outer.per_sequence ? first : at) * H;
      Kernel f{};
      f.used = squares && !part ? gates : 0;
      for (int gate = 0; gate < f.used; gate++)
        f.terms[gate] = {sums + (batch.starts[t + 1] * slots + state_slot(shape.cell, gate)) * H,
                         slots * H, 1, w.back_panels + gate * K * H, 0, (int)K};
      f.H = H;
      f.has_later = !part;
      f.relu = has_relu(shape.cell);
      const float* before = nullptr;
      if (t) before = states + (row_before + first) * H;
      if (t && shape.cell == LSTM) before = saved + (row_before + first) * kept * H;
      each_panel(f, H, [&](int nv, Index column) {
        f.outer = has_outer ? from + column : nullptr;
        f.states = states + at * H + column;
        f.before = before ? before + column : nullptr;
        f.saved = saved + at * kept * H + column;
        f.sums = sums + at * slots * H + column;
        f.carry = w.carry + first * H + column;
        f.factor = independent ? lane.panels.hidden + column : nullptr;
        f.total = total ? total + at * H + column : nullptr;
        run_rows(f, nv, count);
      });
    }
  }
}

// Adds the rows first..end to a sum over rows, which is kept as four chains by row modulo 4,
// `chains` (4, width): added(sum, row, column) is the sum of a chain with one more row.
template <class F>
inline void add_rows(float* chains, Index first, Index end, Index width, F&& added) {
  for (Index j = 0; j < width; j += VL) {
    for (Index n = first; n < first + 4; n++) {
      float* chain = chains + n % 4 * width + j;
      Vector sum = load(chain);
      for (Index row = n; row < end; row += 4) sum = added(sum, row, j);
      store(chain, sum);
    }
  }
}

// Adds the sum of the four chains to `out` (width,) and clears them.
inline void end_chains(float* chains, Index width, float* out) {
  for (Index j = 0; j < width; j += VL) {
    const Vector first = load(chains + j) + load(chains + width + j);
    const Vector last = load(chains + 2 * width + j) + load(chains + 3 * width + j);
    store(out + j, load(out + j) + (first + last));
  }
  clear(chains, 4 * width);
}

// Computes the gradients of the biases, as sums over all rows, and that of the IndRNN's u.
inline void vector_gradients(const Workspace& w, const Shape& shape, const Lane& lane) {
  const Index H = w.H, K = shape.hidden, width = sum_slots(shape.cell) * H;
  const Index summed = (shape.cell == GRU ? 4 : gates_of(shape.cell)) * H;
  const float *sums = lane.sums, *states = lane.states;
  float *biases = w.scratch, *factor = biases + summed, *chains = factor + H;
  float* factor_chains = chains + 4 * summed;
  clear(biases, 5 * (summed + H));
  const auto add_biases = [&](Index first, Index end) {
    add_rows(chains, first, end, summed,
             [&](Vector sum, Index row, Index j) { return sum + load(sums + row * width + j); });
  };
  add_biases(0, w.batch.counts[0]);
  each_run(w.batch, [&](Index before, Index start, Index rows) {
    for (Index first = 0; first < rows; first += 32) {  // rows that stay in the first cache
      const Index end = first + 32 < rows ? first + 32 : rows;
      add_biases(start + first, start + end);
      if (!is_independent(shape.cell)) continue;
      add_rows(factor_chains, first, end, H, [&](Vector sum, Index row, Index j) {
        const Vector state = load(states + (before + row) * H + j);
        return fma(load(sums + (start + row) * width + j), state, sum);
      });
    }
    if (is_independent(shape.cell)) end_chains(factor_chains, H, factor);
  });
  end_chains(chains, summed, biases);
  const LaneWeights& at = lane.at;
  if (is_independent(shape.cell)) copy(w.gradient + at.hidden, factor, K);
  for (int gate = 0; gate < gates_of(shape.cell); gate++) {
    copy(w.gradient + at.input_bias + gate * K, biases + gate * H, K);
    if (!has_matrices(shape.cell)) continue;
    const int slot = state_slot(shape.cell, gate);
    copy(w.gradient + at.hidden_bias + gate * K, biases + slot * H, K);
  }
}

// Computes the gradients of one lane's weights from its sums.
inline void weight_gradient(const Workspace& w, const Shape& shape, const Lane& lane) {
  const Index H = w.H, K = shape.hidden, R = w.batch.rows;
  const Index width = sum_slots(shape.cell) * H;
  const int gates = gates_of(shape.cell), D = shape.directions;
  const LaneWeights& at = lane.at;
  float *input = w.gradient + at.input, *hidden = w.gradient + at.hidden;
  for (int gate = 0; gate < gates && has_matrices(shape.cell); gate++) {
    const float* sums = lane.sums + state_slot(shape.cell, gate) * H;
    bool adds = false;
    clear(w.scratch, K * H);  // in case no sequence has a second step
    each_run(w.batch, [&](Index before, Index row, Index rows) {
      multiply_rows(K, H, rows, sums + row * width, width, lane.states + before * H, H, w.scratch,
                    adds);
      adds = true;
    });
    for (Index j = 0; j < K; j++) copy(hidden + (gate * K + j) * K, w.scratch + j * H, K);
  }
  if (lane.layer == 0) {
    const Index F = shape.features;
    multiply_rows(F, gates * H, R, lane.inputs.own, F, lane.sums, width, w.scratch, false);
    for (int gate = 0; gate < gates; gate++)
      transpose(w.scratch + gate * H, gates * H, F, K, input + gate * K * F, F);
    return;
  }
  for (int gate = 0; gate < gates; gate++) {
    for (int from = 0; from < D; from++) {  // this direction, then the other one
      const float* inputs = from ? lane.inputs.other : lane.inputs.own;
      const Index column = (from ? 1 - lane.direction : lane.direction) * K;
      multiply_rows(K, H, R, lane.sums + gate * H, width, inputs, H, w.scratch, false);
      for (Index j = 0; j < K; j++)
        copy(input + (gate * K + j) * at.input_width + column, w.scratch + j * H, K);
    }
  }
}

// Computes the gradient of a lane's input (R, H), from its own direction or from the other one.
inline void input_gradient(const Workspace& w, const Shape& shape, const Lane& lane,
                           const float* weights, bool other, float* out) {
  const Index H = w.H, K = shape.hidden, width = sum_slots(shape.cell) * H;
  const int direction = other ? 1 - lane.direction : lane.direction;
  const float* block = weights + lane.at.input + direction * K;
  Product below = {{}, nullptr, 0, out, H};
  for (int gate = 0; gate < gates_of(shape.cell); gate++) {
    float* panels = w.back_panels + gate * K * H;
    pack(block + gate * K * lane.at.input_width, lane.at.input_width, K, K, panels);
    below.terms[gate] = {lane.sums + gate * H, width, 1, panels, 0, (int)K};
  }
  multiply(below, (int)w.batch.rows, H);
}

// Turns the gradients of both lanes' inputs into those of the states of the layer below.
inline void pass_down(const Workspace& w, const Shape& shape, const float* mask) {
  const Index H = w.H, K = shape.hidden, D = shape.directions, lane = w.lane_rows * H;
  for (int direction = 0; direction < D; direction++) {
    float* outer = w.outer + direction * lane;
    const float* other = w.outer_other + (1 - direction) * lane;
    each_mirrored_row(w.batch, [&](Index row, Index mirrored) {
      float* out = outer + row * H;
      if (D == 2)
        for (Index j = 0; j < H; j += VL)
          store(out + j, load(out + j) + load(other + mirrored * H + j));
      if (mask) {
        const float* factors = mask + (direction ? mirrored : row) * D * K + direction * K;
        for (Index j = 0; j < K; j++) out[j] *= factors[j];
      }
    });
  }
}

// Fills `gradient` from the gradient of the logits. If `totals` (N, R, H) is not null, it receives
// dL/dh of all states.
inline void backward(const Workspace& w, const Shape& shape, const float* weights,
                     const float* masks, float* totals) {
  const Index H = w.H, D = shape.directions, B = w.batch.size;
  const Index lane_size = w.lane_rows * H;
  head_backward(w, shape, weights);
  for (int layer = shape.layers - 1; layer >= 0; layer--) {
    const bool is_top = layer == shape.layers - 1, by_sequence = is_top && shape.pooling != MAX;
    for (int direction = 0; direction < D; direction++) {
      const float* rows = by_sequence ? w.pooled_gradient + direction * B * H
                                      : w.outer + direction * lane_size;
      const Outer outer = {rows, by_sequence, is_top && shape.pooling == LAST};
      float* total = totals ? totals + (layer * D + direction) * lane_size : nullptr;
      const Lane lane = lane_of(w, shape, layer, direction);
      if (shape.program) {
        program_backward(w, shape, lane, weights, outer, total);
        continue;
      }
      if (shape.cell == GRU)
        lane_backward<GruBackward>(w, shape, lane, weights, outer, total);
      else if (shape.cell == LSTM)
        lane_backward<LstmBackward>(w, shape, lane, weights, outer, total);
      else
        lane_backward<PlainBackward>(w, shape, lane, weights, outer, total);
      vector_gradients(w, shape, lane);
      weight_gradient(w, shape, lane);
      if (layer == 0) continue;
      input_gradient(w, shape, lane, weights, false, w.outer + direction * lane_size);
      if (D == 2)
        input_gradient(w, shape, lane, weights, true, w.outer_other + direction * lane_size);
    }
    if (layer && (D == 2 || masks))
      pass_down(w, shape, layer_mask(w, shape, masks, layer - 1));
  }
}

}  // namespace
}  // namespace seqsweep
