// A cell whose step is a program: lists of operations on blocks of H numbers, which Python traces
// from the class of the cell and assembles (native/programs.py).
//
// B batch, R rows packed as PackedSequence, H hidden (padded), K units. The parts of a program run
// on chunks of rows: what reads the input alone, step by step what the next state needs, then the
// rest; the backward pass runs the chunks and its own parts in reverse. Elementwise operations go
// over blocks of rows that stay in the first cache; between them stand products, which go over all
// rows of the part. Chunks and blocks depend on the sizes alone, so the bits do too.
#pragma once

#include "workspace.h"

namespace seqsweep {
namespace {

// One lane while its program runs.
struct Machine {
  const Workspace& w;
  const Shape& shape;
  const Lane& lane;
  const Program& p;
  Index K, H;
  float *base[MOST_REGISTERS];   // of the row `origin`
  Index step[MOST_REGISTERS];    // the floats from row to row
  int32_t place[MOST_REGISTERS];
  Index origins[PLACES];
  float* memory[MOST_INSTRUCTIONS];  // the panels of a product, the sums of a gradient

  Machine(const Workspace& w, const Shape& shape, const Lane& lane)
      : w(w), shape(shape), lane(lane), p(*shape.program), K(shape.hidden), H(w.H) {
    float* const areas[] = {lane.panels.own, w.sums, w.blocks, w.chunks, lane.saved, nullptr,
                            w.carry, lane.states};
    const Index block = rows_of_block(H) * H, chunk = w.chunk_rows * H, lane_size = w.lane_rows * H;
    const Index planes[] = {H, H, block, chunk, lane_size, 0, w.batch_rows * H, 0};
    for (int n = 0; n < p.registers_count; n++) {
      const Register& r = p.registers[n];
      place[n] = r.place;
      base[n] = areas[r.place] + r.index * planes[r.place];
      step[n] = r.place == VECTOR || r.place == GRADIENT ? 0 : H;
    }
    for (Index& origin : origins) origin = 0;
    float *panels = lane.panels.own + p.vectors * H, *back = w.back_panels;
    float* sums = w.sums + p.gradients * H;
    for (int n = 0; n < p.parts[PARTS]; n++) {
      const Instruction& i = p.instructions[n];
      float*& next = i.op == PRODUCT ? panels : i.op == TRANSPOSED ? back : sums;
      memory[n] = next;
      next += memory_of(shape, i, lane.layer);
    }
  }

  float* at(int32_t n, Index row) const { return base[n] + (row - origins[place[n]]) * step[n]; }

  // The first state of every sequence is zero.
  void set_before(bool is_first, Index rows_before) {
    for (int k = 0; k < p.states; k++) {
      const int32_t before = p.before[k], after = p.after[k];
      base[before] = is_first ? w.zeros : base[after];
      step[before] = is_first ? 0 : step[after];
    }
    origins[BEFORE] = rows_before;
  }
};

struct Operands {
  float* out;
  const float* in[3];
  Index out_step, steps[3];
  Index rows, width;
};

template <int N, class F> SEQSWEEP_INLINE void each_number(const Operands& o, F&& f) {
  for (Index row = 0; row < o.rows; row++) {
    for (Index j = 0; j < o.width; j += VL) {
      Vector v[3] = {};
#pragma GCC unroll 3
      for (int n = 0; n < N; n++) v[n] = load(o.in[n] + row * o.steps[n] + j);
      store(o.out + row * o.out_step + j, f(v[0], v[1], v[2]));
    }
  }
}

SEQSWEEP_INLINE Vector as_number(Integers is_true) {
  return (Vector)(is_true & (Integers)splat(1.0f));
}

// Computes one operation. As in torch, NaN passes through relu, maximum and minimum.
inline void compute(int32_t op, const Operands& o) {
  using V = Vector;
  Vector sine, cosine;
  switch (op) {
    case NEG: return each_number<1>(o, [](V a, V, V) { return -a; });
    case ABS: return each_number<1>(o, [](V a, V, V) { return (V)((Bits)a & 0x7fffffffu); });
    case SQRT: return each_number<1>(o, [](V a, V, V) { return square_root(a); });
    case EXP: return each_number<1>(o, [](V a, V, V) { return exp(a); });
    case LOG: return each_number<1>(o, [](V a, V, V) { return log(a); });
    case TANH_OF: return each_number<1>(o, [](V a, V, V) { return tanh(a); });
    case SIGMOID: return each_number<1>(o, [](V a, V, V) { return sigmoid(a); });
    case SOFTPLUS: return each_number<1>(o, [](V a, V, V) { return softplus(a); });
    case RELU_OF: return each_number<1>(o, [](V a, V, V) { return larger(zero(), a); });
    case SIN: return each_number<1>(o, [&](V a, V, V) { return sin_cos(a, sine, cosine), sine; });
    case COS: return each_number<1>(o, [&](V a, V, V) { return sin_cos(a, sine, cosine), cosine; });
    case SIGN: return each_number<1>(o, [](V a, V, V) {
      return as_number(a > zero()) - as_number(a < zero());
    });
    case COPY: return each_number<1>(o, [](V a, V, V) { return a; });
    case WITHOUT_TINY: return each_number<1>(o, [](V a, V, V) { return without_tiny(a); });
    case ADD: return each_number<2>(o, [](V a, V b, V) { return a + b; });
    case SUB: return each_number<2>(o, [](V a, V b, V) { return a - b; });
    case MUL: return each_number<2>(o, [](V a, V b, V) { return a * b; });
    case DIV: return each_number<2>(o, [](V a, V b, V) { return a / b; });
    case MAXIMUM:
      return each_number<2>(o, [](V a, V b, V) { return ((a > b) | (a != a)) ? a : b; });
    case MINIMUM:
      return each_number<2>(o, [](V a, V b, V) { return ((a < b) | (a != a)) ? a : b; });
    case LT: return each_number<2>(o, [](V a, V b, V) { return as_number(a < b); });
    case LE: return each_number<2>(o, [](V a, V b, V) { return as_number(a <= b); });
    case EQ: return each_number<2>(o, [](V a, V b, V) { return as_number(a == b); });
    case SIGMOID_SLOPE: return each_number<2>(o, [](V g, V y, V) { return g * sigmoid_slope(y); });
    case TANH_SLOPE: return each_number<2>(o, [](V g, V y, V) { return g * tanh_slope(y); });
    case FMA: return each_number<3>(o, [](V a, V b, V c) { return fma(a, b, c); });
    case FMS: return each_number<3>(o, [](V a, V b, V c) { return fma(a, b, -c); });
    case FNMA: return each_number<3>(o, [](V a, V b, V c) { return fma(-a, b, c); });
    case WHERE: return each_number<3>(o, [](V m, V a, V b) { return m != zero() ? a : b; });
  }
}

// Adds the rows of a block to a sum: first among themselves, so that long sums lose few digits.
inline void add_block(const Operands& o, Index H) {
  const Index rows = o.width / H * o.rows, step = o.rows == 1 ? H : o.steps[0];
  for (Index j = 0; j < H; j += VL) {
    Vector sum = load(o.in[0] + j);
    for (Index row = 1; row < rows; row++) sum = sum + load(o.in[0] + row * step + j);
    store(o.out + j, load(o.out + j) + sum);
  }
}

// Runs elementwise operations on the rows first..first + rows, block by block.
inline void run_elementwise(Machine& m, int begin, int end, Index first, Index rows) {
  const Index most = rows_of_block(m.H), last = first + rows;
  for (Index row = first; row < last; row += most) {
    m.origins[BLOCK] = row;
    const Index count = last - row < most ? last - row : most;
    for (int n = begin; n < end; n++) {
      const Instruction& i = m.p.instructions[n];
      const int32_t from[] = {i.a, i.b, i.c};
      Operands o = {m.at(i.out, row), {}, m.step[i.out], {}, count, m.H};
      bool is_flat = i.op == SUM || o.out_step == m.H;
      for (int k = 0; k < 3 && from[k] >= 0; k++) {
        o.in[k] = m.at(from[k], row);
        o.steps[k] = m.step[from[k]];
        is_flat &= o.steps[k] == m.H;
      }
      if (is_flat) {
        o.width = count * m.H;
        o.rows = 1;
      }
      if (i.op == SUM) add_block(o, m.H);
      else compute(i.op, o);
    }
  }
}

// Computes out = start + the terms, which may be many.
inline void multiply_terms(const Term* terms, Index count, const float* start, Index start_row,
                           float* out, Index out_row, Index rows, Index H) {
  for (Index n = 0; n < count; n += 4) {
    Product product = {{}, start, start_row, out, out_row};
    for (Index k = n; k < count && k < n + 4; k++) product.terms[k - n] = terms[k];
    multiply(product, (int)rows, H);
    start = out;
    start_row = out_row;
  }
}

// Computes the result number n of an instruction, from its start and the terms.
inline void multiply_to(const Machine& m, const Instruction& i, Index n, const Term* terms,
                        Index count, Index row, Index rows) {
  const int32_t out = m.p.lists[i.out + n], start = i.b < 0 ? -1 : m.p.lists[i.b + n];
  multiply_terms(terms, count, start < 0 ? nullptr : m.at(start, row), start < 0 ? 0 : m.step[start],
                 m.at(out, row), m.step[out], rows, m.H);
}

// The inputs of a lane at a row.
SEQSWEEP_INLINE Term own_input(const Machine& m, Index row) {
  const Inputs& from = m.lane.inputs;
  return {from.own + row * from.own_row, from.own_row, 1, nullptr, 0, (int)from.own_depth};
}
SEQSWEEP_INLINE Term other_input(const Machine& m, Index row) {
  return {m.lane.inputs.other + row * m.H, m.H, 1, nullptr, 0, (int)m.K};
}

// Fills `terms` with the operands of a product; returns their number.
inline Index operands_of(const Machine& m, const Instruction& i, const int32_t* registers,
                         Index row, Term* terms) {
  Index count = 0;
  if (is_input(m.p, i)) {
    terms[count++] = own_input(m, row);
    if (m.lane.inputs.other) terms[count++] = other_input(m, row);
    return count;
  }
  for (; count < m.p.weights[i.weight].columns; count++)
    terms[count] = {m.at(registers[count], row), m.step[registers[count]], 1, nullptr, 0, (int)m.K};
  return count;
}

inline void run_product(Machine& m, const Instruction& i, const float* panels, Index row,
                        Index rows) {
  Term terms[MOST_BLOCKS];
  const Index count = operands_of(m, i, m.p.lists + i.a, row, terms);
  for (Index n = 0; n < i.count; n++) {
    for (Index k = 0; k < count; panels += terms[k++].depth * m.H) terms[k].b = panels;
    multiply_to(m, i, n, terms, count, row, rows);
  }
}

// Multiplies gradients by a matrix. The gradient of the raw input goes to the layer below.
inline void run_transposed(Machine& m, const Instruction& i, const float* panels, Index row,
                           Index rows) {
  const bool is_below = is_input(m.p, i);
  if (is_below && m.lane.layer == 0) return;
  Term terms[MOST_BLOCKS];
  const Index columns = is_below ? m.shape.directions : m.p.weights[i.weight].columns;
  for (Index column = 0; column < columns; column++) {
    for (Index n = 0; n < i.count; n++, panels += m.K * m.H) {
      const int32_t g = m.p.lists[i.a + n];
      terms[n] = {m.at(g, row), m.step[g], 1, panels, 0, (int)m.K};
    }
    float* below = (column ? m.w.outer_other : m.w.outer) +
                   (m.lane.direction * m.w.lane_rows + row) * m.H;
    if (is_below)
      multiply_terms(terms, i.count, i.c ? below : nullptr, m.H, below, m.H, rows, m.H);
    else
      multiply_to(m, i, column, terms, i.count, row, rows);
  }
}

// Adds to the gradient of a matrix, which is kept transposed, (depth, H) for each block of rows.
inline void run_outer(Machine& m, const Instruction& i, float* sums, Index row, Index rows) {
  Term terms[MOST_BLOCKS];
  const Index count = operands_of(m, i, m.p.lists + i.b, row, terms);
  for (Index n = 0; n < i.count; n++) {
    const int32_t g = m.p.lists[i.a + n];
    for (Index k = 0; k < count; k++) {
      const Term& v = terms[k];
      multiply_rows(v.depth, m.H, rows, v.a, v.a_row, m.at(g, row), m.step[g], sums, true);
      sums += v.depth * m.H;
    }
  }
}

// Runs one part on the rows first..first + rows.
inline void run_part(Machine& m, int part, Index first, Index rows) {
  const int end = m.p.parts[part + 1];
  for (int n = m.p.parts[part]; n < end;) {
    const Instruction& i = m.p.instructions[n];
    int last = n;
    while (last < end && m.p.instructions[last].op < PRODUCT) last++;
    if (last > n) run_elementwise(m, n, last, first, rows);
    else if (i.op == PRODUCT) run_product(m, i, m.memory[n], first, rows);
    else if (i.op == TRANSPOSED) run_transposed(m, i, m.memory[n], first, rows);
    else run_outer(m, i, m.memory[n], first, rows);
    n = last > n ? last : n + 1;
  }
}

// Packs the matrices of a product as its right sides: rows of `depth` numbers, H columns each.
inline void pack_product(const Shape& shape, const Lane& lane, const float* weights,
                         const Instruction& i, float* out) {
  const Index K = shape.hidden, H = rounded_up(K, 16);
  const Depths depths = depths_of(shape, i, lane.layer);
  const Index width = depths.sum(), own = is_input(*shape.program, i) && lane.layer
                                              ? lane.direction * K : 0;
  const float* matrix = weights + weight_start(shape, lane.at, i.weight) + i.first * K * width;
  for (Index n = 0; n < i.count; n++, matrix += K * width) {
    for (Index k = 0; k < depths.blocks; k++, out += depths.own * H)
      pack_transposed(matrix + own + k * K, width, depths.own, K, out);
    if (depths.other) {
      pack_transposed(matrix + (1 - lane.direction) * K, width, K, K, out);
      out += K * H;
    }
  }
}

// Packs the matrices of a product with gradients.
inline void pack_back(const Shape& shape, const Lane& lane, const float* weights,
                      const Instruction& i, float* out) {
  const Index K = shape.hidden, H = rounded_up(K, 16), D = shape.directions;
  const bool is_below = is_input(*shape.program, i);
  if (is_below && lane.layer == 0) return;
  const Index columns = is_below ? D : shape.program->weights[i.weight].columns;
  const Index width = columns * K;
  const float* matrix = weights + weight_start(shape, lane.at, i.weight) + i.first * K * width;
  for (Index column = 0; column < columns; column++) {
    const Index at = is_below && lane.direction ? 1 - column : column;
    for (Index n = 0; n < i.count; n++, out += K * H)
      pack(matrix + n * K * width + at * K, width, K, K, out);
  }
}

// Loads the vectors of a lane, packs its matrices and runs the part that reads weights alone.
inline void pack_program(const Workspace& w, const Shape& shape, const Lane& lane,
                         const float* weights) {
  Machine m(w, shape, lane);
  const Index K = m.K, H = m.H;
  clear(lane.panels.own, m.p.vectors * H);
  for (int n = 0; n < m.p.loads_count; n++) {
    const Load& l = m.p.loads[n];
    float* out = m.base[l.vector];
    if (l.weight >= 0) copy(out, weights + weight_start(shape, lane.at, l.weight) + l.block * K, K);
    else for (Index j = 0; j < H; j++) out[j] = l.number;
  }
  for (int n = 0; n < m.p.parts[PARTS]; n++)
    if (m.p.instructions[n].op == PRODUCT)
      pack_product(shape, lane, weights, m.p.instructions[n], m.memory[n]);
  run_part(m, OF_WEIGHTS, 0, 1);
}

// Returns the last step of the chunk that begins at step t: its rows fit into a chunk, and all of
// them have their rows of the step before at the same distance.
inline int last_of_chunk(const Workspace& w, int t) {
  const Batch& batch = w.batch;
  int last = t;
  if (t && batch.counts[t - 1] == batch.counts[t])
    while (last + 1 < batch.steps && batch.counts[last + 1] == batch.counts[t] &&
           (Index)batch.counts[t] * (last + 2 - t) <= w.chunk_rows)
      last++;
  return last;
}

inline void set_chunk(Machine& m, int first, const Batch& batch) {
  m.origins[CHUNK] = batch.starts[first];
  m.set_before(first == 0, first ? batch.counts[first - 1] : 0);
}

inline Index rows_between(const Batch& batch, int first, int last) {
  return batch.starts[last] + batch.counts[last] - batch.starts[first];
}

// Computes the states and the saved values of a lane.
inline void program_forward(const Workspace& w, const Shape& shape, const Lane& lane) {
  Machine m(w, shape, lane);
  const Batch& batch = w.batch;
  for (int first = 0, last; first < batch.steps; first = last + 1) {
    last = last_of_chunk(w, first);
    set_chunk(m, first, batch);
    const Index row = batch.starts[first], rows = rows_between(batch, first, last);
    run_part(m, OF_INPUT, row, rows);
    for (int t = first; t <= last; t++) run_part(m, OF_STATE, batch.starts[t], batch.counts[t]);
    run_part(m, OF_OUTPUT, row, rows);
  }
}

// The gradient of a lane's states that comes from the layer above.
struct Outer {
  const float* rows;  // (R, H), or (B, H) if all steps of a sequence have the same
  bool per_sequence;
  bool at_ends_only;  // it is zero at all steps but the last of a sequence
};

// Fills the gradient of the outputs of one chunk.
inline void fill_outer(const Machine& m, const Outer& outer, int first, int last) {
  const Batch& batch = m.w.batch;
  const Index H = m.H;
  for (int t = first; t <= last; t++) {
    const Index row = batch.starts[t], begin = outer.at_ends_only ? batch.counts[t + 1] : 0;
    float* out = m.at(m.p.outer, row);
    clear(out, begin * H);
    copy(out + begin * H, outer.rows + ((outer.per_sequence ? 0 : row) + begin) * H,
         (batch.counts[t] - begin) * H);
  }
}

// Fills dL/dh of the states, as its size where the output reads several blocks.
inline void fill_total(const Machine& m, Index row, Index rows, float* total) {
  for (Index n = row; n < row + rows; n++) {
    for (Index j = 0; j < m.H; j += VL) {
      Vector sum = zero();
      for (int k = 0; k < m.p.totals_count; k++) {
        const Vector part = load(m.at(m.p.totals[k], n) + j);
        sum = fma(part, part, sum);
      }
      store(total + n * m.H + j, square_root(sum));
    }
  }
}

// Copies the gradients of a lane's weights from the sums over all rows.
inline void copy_gradients(const Machine& m) {
  const Index K = m.K, H = m.H;
  const LaneWeights& at = m.lane.at;
  clear(m.w.gradient + at.input, at.end - at.input);
  for (int n = 0; n < m.p.results_count; n++) {
    const Load& r = m.p.results[n];
    float* out = m.w.gradient + weight_start(m.shape, at, r.weight) + r.block * K;
    copy(out, m.base[r.vector], K);
  }
  for (int n = 0; n < m.p.parts[PARTS]; n++) {
    const Instruction& i = m.p.instructions[n];
    if (i.op != OUTER) continue;
    const Depths depths = depths_of(m.shape, i, m.lane.layer);
    const Index width = depths.sum();
    const float* sums = m.memory[n];
    float* out = m.w.gradient + weight_start(m.shape, at, i.weight) + i.first * K * width;
    // A matrix may be in several products, so their gradients are added.
    const auto add = [&](Index column, Index depth) {
      for (Index k = 0; k < depth; k++, sums += H)
        for (Index j = 0; j < K; j++) out[j * width + column + k] += sums[j];
    };
    const Index own = depths.other ? m.lane.direction * K : 0;
    for (Index g = 0; g < i.count; g++, out += K * width) {
      for (Index k = 0; k < depths.blocks; k++) add(own + k * K, depths.own);
      if (depths.other) add((1 - m.lane.direction) * K, K);
    }
  }
}

// Computes the gradients of a lane's weights and, above the first layer, of its inputs.
inline void program_backward(const Workspace& w, const Shape& shape, const Lane& lane,
                             const float* weights, const Outer& outer, float* total) {
  Machine m(w, shape, lane);
  const Batch& batch = w.batch;
  for (int n = 0; n < m.p.parts[PARTS]; n++)
    if (m.p.instructions[n].op == TRANSPOSED)
      pack_back(shape, lane, weights, m.p.instructions[n], m.memory[n]);
  clear(w.sums, m.p.gradients * m.H + memory_of(shape, OUTER));
  clear(w.carry, m.p.states * w.batch_rows * m.H);
  int chunks = 0;
  for (int t = 0; t < batch.steps; t = last_of_chunk(w, t) + 1) w.chunk_starts[chunks++] = t;
  while (chunks--) {
    const int first = w.chunk_starts[chunks], last = last_of_chunk(w, first);
    set_chunk(m, first, batch);
    const Index row = batch.starts[first], rows = rows_between(batch, first, last);
    fill_outer(m, outer, first, last);
    run_part(m, OUTPUT_BACK, row, rows);
    for (int t = last; t >= first; t--) {
      m.origins[CARRY] = batch.starts[t];
      run_part(m, STATE_BACK, batch.starts[t], batch.counts[t]);
    }
    if (total) fill_total(m, row, rows, total);
    run_part(m, INPUT_BACK, row, rows);
  }
  run_part(m, WEIGHTS_BACK, 0, 1);
  copy_gradients(m);
}

}  // namespace
}  // namespace seqsweep
