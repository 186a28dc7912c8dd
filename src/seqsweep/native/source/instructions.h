// The program of a cell as Python assembles it (native/programs.py), and the sizes of a network.
//
// K units of a layer and direction, H the same padded to a multiple of 16.
#pragma once

#include "cells.h"

namespace seqsweep {
namespace {

// The elementwise operations, in the order of `OPERATIONS` in models/program.py, then the others.
enum Operation : int32_t {
  NEG, ABS, SQRT, EXP, LOG, TANH_OF, SIGMOID, SOFTPLUS, RELU_OF, SIN, COS, SIGN, COPY, WITHOUT_TINY,
  ADD, SUB, MUL, DIV, MAXIMUM, MINIMUM, LT, LE, EQ, SIGMOID_SLOPE, TANH_SLOPE,
  FMA, FMS, FNMA, WHERE,
  SUM, PRODUCT, TRANSPOSED, OUTER
};

// The places of a register: a vector of weights or of one number, the gradient of a vector, the
// rows of a block or of a chunk, rows that are saved, those one step before, the gradients from the step after, and the
// outputs of the lane.
enum Place : int32_t { VECTOR, GRADIENT, BLOCK, CHUNK, SLOT, BEFORE, CARRY, RESULT, PLACES };

// The parts of a program, in the order in which they run.
enum Part : int32_t {
  OF_WEIGHTS, OF_INPUT, OF_STATE, OF_OUTPUT,
  OUTPUT_BACK, STATE_BACK, INPUT_BACK, WEIGHTS_BACK,
  PARTS
};

constexpr int MOST_REGISTERS = 512, MOST_INSTRUCTIONS = 512, MOST_BLOCKS = 16;

// A weight of `rows` blocks of K rows. A matrix has as many blocks of K columns, or -1 for the
// inputs of the layer; a vector has 0. A weight that is spared has no weight decay.
struct Weight {
  int32_t rows, columns, spared;
};

struct Register {
  int32_t place, index;
};

// An elementwise operation names its registers; `c` or `b` is -1 if it has fewer. The others name
// the begin of a list of registers: PRODUCT and TRANSPOSED compute `out` from `a`, and from `b` if
// that is not negative; OUTER multiplies `a` by `b`. With `c` a TRANSPOSED adds to what the layer
// below has.
struct Instruction {
  int32_t op, out, a, b, c;
  int32_t weight, first, count;  // the matrix, and its blocks of rows
};

// A vector that holds a block of a weight, or one number if `weight` is negative. Also the vector
// that holds the gradient of a block.
struct Load {
  int32_t vector, weight, block;
  float number;
};

struct Program {
  const Weight* weights;
  const Register* registers;
  const Instruction* instructions;
  const int32_t* lists;
  const Load *loads, *results;
  const int32_t *before, *after;           // (states,) registers
  const int32_t* totals;                   // (totals_count,) registers
  const int32_t* parts;                    // (PARTS + 1,) the first instruction of each part
  int32_t weights_count, registers_count, loads_count, results_count, totals_count;
  int32_t states, outer;                   // blocks of a state; the register of dL/dh
  int32_t vectors, gradients, blocks, chunks, slots;  // how many registers each place has
};

struct Shape {
  int32_t features, hidden, classes, layers, directions, cell, pooling, has_dropout;
  const Program* program;  // null if the cell is a kernel
};

inline Index size_of(const Weight& weight, Index K, Index inputs) {
  return weight.rows * K * (weight.columns < 0 ? inputs : weight.columns ? weight.columns * K : 1);
}

// Returns the size of the first `count` weights of a lane.
inline Index size_of(const Program& p, int count, Index K, Index inputs) {
  Index size = 0;
  for (int n = 0; n < count; n++) size += size_of(p.weights[n], K, inputs);
  return size;
}

inline bool is_input(const Program& p, const Instruction& i) {
  return p.weights[i.weight].columns < 0;
}

// The right sides of a product: `blocks` of `own` rows, and those of the other direction.
struct Depths {
  Index blocks, own, other;
  Index sum() const { return blocks * own + other; }
};

inline Depths depths_of(const Shape& shape, const Instruction& i, int layer) {
  const Program& p = *shape.program;
  if (!is_input(p, i)) return {p.weights[i.weight].columns, shape.hidden, 0};
  if (layer == 0) return {1, shape.features, 0};
  return {1, shape.hidden, shape.directions == 2 ? shape.hidden : 0};
}

// Returns the floats that an instruction keeps for a lane: packed matrices, or their gradients.
inline Index memory_of(const Shape& shape, const Instruction& i, int layer) {
  const Index H = rounded_up(shape.hidden, 16);
  if (i.op == PRODUCT || i.op == OUTER) return depths_of(shape, i, layer).sum() * i.count * H;
  if (i.op != TRANSPOSED) return 0;
  const Index columns = shape.program->weights[i.weight].columns;
  return (columns < 0 ? shape.directions : columns) * i.count * shape.hidden * H;
}

// Returns the floats that all instructions of one kind keep, in the layer that needs most.
inline Index memory_of(const Shape& shape, Operation op) {
  Index most = 0;
  for (int layer = 0; layer < 2; layer++) {
    Index size = 0;
    for (int n = 0; n < shape.program->parts[PARTS]; n++)
      if (shape.program->instructions[n].op == op)
        size += memory_of(shape, shape.program->instructions[n], layer);
    most = size > most ? size : most;
  }
  return most;
}

constexpr Index BLOCK_FLOATS = 1024, CHUNK_FLOATS = 4096;

// The rows of a block and of a chunk depend on these sizes alone, so the bits of sums do too.
SEQSWEEP_INLINE Index rows_of_block(Index H) { return H < BLOCK_FLOATS ? BLOCK_FLOATS / H : 1; }
SEQSWEEP_INLINE Index rows_of_chunk(Index B, Index H) {
  return B * H < CHUNK_FLOATS ? CHUNK_FLOATS / H : B;
}

}  // namespace
}  // namespace seqsweep
