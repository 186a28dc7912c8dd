// One batch: its sequences by falling length, and their steps in the order of PackedSequence.
//
// S sequences, T steps, B batch, F features, R rows. The rows hold the first steps of all sequences
// of the batch, then the second steps of those that have one, and so on.
#pragma once

#include "vectors.h"

namespace seqsweep {
namespace {

// One split of a data set.
struct Data {
  const float* x;            // (S, T, F)
  const int64_t* lengths;    // (S,) in 1..T
  const int64_t* labels;     // (S,) in 0..C-1
  const int64_t* by_length;  // (S,) all sequences by falling length
  int64_t count, longest, features;
  int32_t equal;             // whether all lengths are T
};

struct Batch {
  int64_t* sequences;  // (B,)
  int32_t* labels;     // (B,), then -1 up to the next multiple of 16
  int32_t* ends;       // (B,) the last step of each sequence
  int32_t* counts;     // (T + 1,) the rows of each step; the last is 0
  int32_t* starts;     // (T,) the first row of each step
  int32_t* cursor;     // (T + 1,) the next free index for each length
  int size, steps;
  Index rows;
};

// Forms a batch of the sequences chosen[0..size]; those of equal length keep their order.
inline void form(Batch& batch, const Data& data, const int64_t* chosen, int size) {
  const int longest = (int)data.longest;
  batch.size = size;
  for (int t = 0; t <= longest; t++) batch.counts[t] = data.equal && t < longest ? size : 0;
  if (!data.equal) {
    for (int b = 0; b < size; b++) batch.counts[data.lengths[chosen[b]] - 1]++;
    for (int t = longest - 1; t >= 0; t--) batch.counts[t] += batch.counts[t + 1];
    // Sequences of length n follow all longer ones.
    for (int n = 1; n <= longest; n++) batch.cursor[n] = batch.counts[n];
  }
  for (int b = 0; b < size; b++) {
    const int64_t sequence = chosen[b];
    const int length = (int)data.lengths[sequence];
    const int place = data.equal ? b : batch.cursor[length]++;
    batch.sequences[place] = sequence;
    batch.labels[place] = (int32_t)data.labels[sequence];
    batch.ends[place] = length - 1;
  }
  for (Index b = size; b < rounded_up(size, 16); b++) batch.labels[b] = -1;
  batch.steps = 0;
  batch.rows = 0;
  for (int t = 0; t < longest && batch.counts[t]; t++) {
    batch.starts[t] = (int32_t)batch.rows;
    batch.rows += batch.counts[t];
    batch.steps++;
  }
}

// Gathers the rows of one lane, (R, F). The reverse lane reads each sequence from its end.
inline void gather(const Batch& batch, const Data& data, bool reverse, float* out) {
  const Index F = data.features;
  for (int t = 0; t < batch.steps; t++) {
    for (int b = 0; b < batch.counts[t]; b++, out += F) {
      const Index time = reverse ? batch.ends[b] - t : t;
      const float* from = data.x + (batch.sequences[b] * data.longest + time) * F;
      for (Index f = 0; f < F; f++) out[f] = from[f];
    }
  }
}

// Calls f(row, mirrored) for each row. The mirrored row is the same step of the same sequence in
// the order of the other direction.
template <class F> SEQSWEEP_INLINE void each_mirrored_row(const Batch& batch, F&& f) {
  for (int t = 0; t < batch.steps; t++)
    for (int b = 0; b < batch.counts[t]; b++)
      f((Index)batch.starts[t] + b, (Index)batch.starts[batch.ends[b] - t] + b);
}

// Calls f(before, row, rows) for runs of rows whose rows one step before are also contiguous.
template <class F> SEQSWEEP_INLINE void each_run(const Batch& batch, F&& f) {
  for (int t = 1; t < batch.steps;) {
    int last = t;
    if (batch.counts[t - 1] == batch.counts[t])
      while (last + 1 < batch.steps && batch.counts[last + 1] == batch.counts[t]) last++;
    f(batch.starts[t - 1], batch.starts[t], (Index)batch.counts[t] * (last - t + 1));
    t = last + 1;
  }
}

}  // namespace
}  // namespace seqsweep
