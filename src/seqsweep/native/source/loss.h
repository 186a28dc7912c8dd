// The cross-entropy with class weights and label smoothing. The lanes of a vector are sequences.
//
// B batch (padded to a multiple of 16), C classes.
#pragma once

#include "workspace.h"

namespace seqsweep {
namespace {

// The target of each class if it is the label (`on`) and if it is not (`off`), and the weight of a
// sequence by its label; (C,) each. The targets include class weights and label smoothing.
struct Loss {
  const float *on, *off;
  const float* label_weights;  // null if all are 1
};

SEQSWEEP_INLINE Integers load_integers(const int32_t* from) {
  Integers value;
  __builtin_memcpy(&value, from, sizeof value);
  return value;
}

// Finds the largest logit of VL sequences and its class. NaN counts as the largest, as in torch.
SEQSWEEP_INLINE Vector largest(const float* logits, Index row, int classes,
                                      Integers* label) {
  Vector best = load(logits);
  Integers place = {};
  for (int c = 1; c < classes; c++) {
    const Vector logit = load(logits + c * row);
    const Integers is_larger = (logit > best) | ((logit != logit) & (best == best));
    best = is_larger ? logit : best;
    place = is_larger ? Integers{} + c : place;
  }
  *label = place;
  return best;
}

// Returns the logarithm of the sum of exp(logit - largest).
SEQSWEEP_INLINE Vector log_sum(const float* logits, Index row, int classes, Vector largest) {
  Vector sum = zero();
  for (int c = 0; c < classes; c++) sum = sum + exp(load(logits + c * row) - largest);
  return log(sum);
}

inline void count(const Batch& batch, int first, Integers predicted, int classes,
                         int64_t* confusion) {
  for (int lane = 0; lane < VL && first + lane < batch.size; lane++)
    confusion[(Index)batch.labels[first + lane] * classes + predicted[lane]]++;
}

inline void order_by_class(const Workspace& w, const Shape& shape) {
  const Index B = w.batch.size, padded = rounded_up(B, 16);
  for (Index c = 0; c < shape.classes && B < padded; c++)
    clear(w.logits_by_class + c * padded + B, padded - B);
  transpose(w.logits, w.columns, B, shape.classes, w.logits_by_class, padded);
}

inline double batch_weight(const Batch& batch, const Loss& loss) {
  if (!loss.label_weights) return batch.size;
  double weight = 0;
  for (int b = 0; b < batch.size; b++) weight += loss.label_weights[batch.labels[b]];
  return weight;
}

// Returns the sum of the sequences' losses, and fills `logits_gradient` (C, B) with the gradient of
// the sum divided by `weight`.
inline double training_loss(const Workspace& w, const Shape& shape, const Loss& loss,
                                   double weight, int64_t* confusion) {
  const Index padded = rounded_up(w.batch.size, 16);
  const int C = shape.classes;
  order_by_class(w, shape);
  const Vector all = splat((float)weight);
  for (Index b = 0; b < padded; b += VL) {
    const float* logits = w.logits_by_class + b;
    float* gradient = w.logits_gradient + b;
    const Integers labels = load_integers(w.batch.labels + b);
    Integers predicted;
    const Vector best = largest(logits, padded, C, &predicted);
    const Vector normalizer = log_sum(logits, padded, C, best);
    Vector sum = zero(), targets = zero();
    for (int c = 0; c < C; c++) {
      const Vector log_probability = (load(logits + c * padded) - best) - normalizer;
      const Vector target = labels == c ? splat(loss.on[c]) : splat(loss.off[c]);
      sum = fma(target, -log_probability, sum);
      targets = targets + target;
      store(gradient + c * padded, log_probability);
    }
    for (int c = 0; c < C; c++) {
      const Vector target = labels == c ? splat(loss.on[c]) : splat(loss.off[c]);
      const Vector probability = exp(load(gradient + c * padded));
      store(gradient + c * padded, fma(probability, targets, -target) / all);
    }
    store(w.losses + b, sum);
    count(w.batch, (int)b, predicted, C, confusion);
  }
  double total = 0;
  for (int b = 0; b < w.batch.size; b++) total += w.losses[b];
  return total;
}

// Computes the cross-entropy of each sequence, without weights and smoothing, into `losses` (S,).
inline void evaluation_loss(const Workspace& w, const Shape& shape, float* losses,
                                   int64_t* confusion) {
  const Index padded = rounded_up(w.batch.size, 16);
  const int C = shape.classes;
  order_by_class(w, shape);
  for (Index b = 0; b < padded; b += VL) {
    const float* logits = w.logits_by_class + b;
    const Integers labels = load_integers(w.batch.labels + b);
    Integers predicted;
    const Vector best = largest(logits, padded, C, &predicted);
    const Vector normalizer = log_sum(logits, padded, C, best);
    Vector own = zero();
    for (int c = 0; c < C; c++) own = labels == c ? load(logits + c * padded) : own;
    const Vector loss = normalizer - (own - best);
    for (int lane = 0; lane < VL && b + lane < w.batch.size; lane++)
      losses[w.batch.sequences[b + lane]] = loss[lane];
    count(w.batch, (int)b, predicted, C, confusion);
  }
}

}  // namespace
}  // namespace seqsweep
