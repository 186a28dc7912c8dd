// The C interface: training for an epoch, evaluation, prediction and tracing.
//
// A task is one network, the state of its optimizer, and the batches of one epoch. The caller owns
// all memory and has checked all values except the orders.
#include "loss.h"
#include "network.h"
#include "optimizers.h"

#include <time.h>

namespace seqsweep {
namespace {

struct Task {
  Shape shape;
  int32_t optimizer;
  int32_t trains, validates;
  int64_t batch_size, first_batch, last_batch;
  int64_t steps;                        // the optimizer's steps so far, counted here
  float *weights, *moment1, *moment2;   // (P,)
  const int64_t* order;                 // (S,) the epoch's order
  int64_t count;                        // S
  const float* masks;                   // the dropout masks, step after step; null for none
  Loss loss;
  float max_norm;                       // infinite if the gradient is not clipped
  Options options;
  // The results. Sums are added to the present values.
  double loss_sum, weight_sum, norm_sum;
  int64_t* confusion;                   // (C, C)
  double val_loss;
  int64_t* val_confusion;               // (C, C)
  double seconds;
};

enum Status : int32_t { DONE = 0, STOPPED = 1, OUT_OF_RANGE = 2 };

double now() {
  struct timespec time;
#if defined(_WIN32)
  timespec_get(&time, TIME_UTC);
#else
  clock_gettime(CLOCK_MONOTONIC, &time);  // not affected if the clock of the machine is set
#endif
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

// Returns the number of sequences to evaluate together: those of 256 KiB of states, 12 to 96.
Index evaluation_batch(const Shape& shape, const Data& data) {
  const Index lanes = (Index)shape.layers * shape.directions, slots = 1 + saved_size(shape);
  const Index row = lanes * slots * rounded_up(shape.hidden, 16) + shape.features;
  const Index fits = 65536 / (row * data.longest);
  const Index size = fits < 12 ? 12 : fits > 96 ? 96 : fits;
  return size < data.count ? size : data.count;
}

bool is_set(const volatile int32_t* stop) { return stop && *stop; }

// Calls f(workspace) after the forward pass of each batch of a split, without dropout.
template <class F> Status each_batch(const Task& task, const Data& data, Arena arena,
                                     const volatile int32_t* stop, F&& f) {
  Shape shape = task.shape;
  shape.has_dropout = 0;
  const Index size = evaluation_batch(shape, data);
  Workspace w = lay_out(shape, size, data.longest, arena);
  pack_weights(w, shape, task.weights);
  for (Index first = 0; first < data.count; first += size) {
    const Index left = data.count - first;
    form(w.batch, data, data.by_length + first, (int)(left < size ? left : size));
    forward(w, shape, data, nullptr);
    f(w);
    if (is_set(stop)) return STOPPED;
  }
  return DONE;
}

// Computes the mean cross-entropy, summed in the order of the sequences.
Status evaluate(Task& task, const Data& data, Arena arena, const volatile int32_t* stop) {
  float* losses = arena.take<float>(data.count);
  const Status status = each_batch(task, data, arena, stop, [&](const Workspace& w) {
    evaluation_loss(w, task.shape, losses, task.val_confusion);
  });
  if (status != DONE) return status;
  double total = 0;
  for (int64_t s = 0; s < data.count; s++) total += losses[s];
  task.val_loss = total / (double)data.count;
  return DONE;
}

// Computes the logits of each sequence, (S, C).
void predict(const Task& task, const Data& data, Arena arena, float* logits) {
  const Index C = task.shape.classes;
  each_batch(task, data, arena, nullptr, [&](const Workspace& w) {
    for (int b = 0; b < w.batch.size; b++)
      copy(logits + w.batch.sequences[b] * C, w.logits + b * w.columns, C);
  });
}

// Calls f(begin, end, spared) for the parts of the weights with and without weight decay.
template <class F> void each_decay(const Shape& shape, F&& f) {
  const Program* p = shape.program;
  Index begin = 0, at = 0;
  bool spared = false;
  for (int lane = 0; p && lane < shape.layers * shape.directions; lane++) {
    for (int n = 0; n < p->weights_count; n++) {
      if ((p->weights[n].spared != 0) != spared) {
        f(begin, at, spared);
        begin = at;
        spared = !spared;
      }
      const bool is_first = lane < shape.directions;
      at += size_of(p->weights[n], shape.hidden,
                    is_first ? shape.features : shape.directions * shape.hidden);
    }
  }
  if (spared) f(begin, at, true);
  f(spared ? at : begin, parameters(shape), false);
}

void train_batch(Task& task, const Data& data, Workspace& w, Index first, int size,
                        const float*& masks) {
  const Shape& shape = task.shape;
  const Index P = parameters(shape);
  form(w.batch, data, task.order + first, size);
  pack_weights(w, shape, task.weights);
  forward(w, shape, data, masks);
  const double weight = batch_weight(w.batch, task.loss);
  task.loss_sum += training_loss(w, shape, task.loss, weight, task.confusion);
  task.weight_sum += weight;
  backward(w, shape, task.weights, masks, nullptr);
  const float norm = (float)norm_of(w.gradient, P);
  task.norm_sum += norm;
  float scale = 1;
  if (task.max_norm < __builtin_inff()) {
    scale = task.max_norm / (norm + 1e-6f);
    scale = scale > 1 ? 1 : scale;  // NaN stays NaN
  }
  task.steps++;
  each_decay(shape, [&](Index begin, Index end, bool spared) {
    Options options = task.options;
    if (spared) options.weight_decay = 0;
    update(task.optimizer, options, task.steps, end - begin, task.weights + begin,
           w.gradient + begin, task.moment1 + begin, task.moment2 + begin, scale);
  });
  if (masks) masks += (shape.layers - 1) * w.batch.rows * shape.directions * shape.hidden;
}

bool in_range(const Task& task, const Data& data) {
  for (int64_t n = 0; n < task.count; n++)
    if ((uint64_t)task.order[n] >= (uint64_t)data.count) return false;
  return true;
}

Status run(Task& task, const Data& train, const Data* val, Arena arena,
                  const volatile int32_t* stop) {
  const double begin = now();
  if (task.trains) {
    Arena own = arena;
    Workspace w = lay_out(task.shape, task.batch_size, train.longest, own);
    const float* masks = task.masks;
    for (int64_t batch = task.first_batch; batch < task.last_batch; batch++) {
      const int64_t first = batch * task.batch_size, left = task.count - first;
      train_batch(task, train, w, first, (int)(left < task.batch_size ? left : task.batch_size),
                  masks);
      if (is_set(stop)) return STOPPED;
    }
  }
  const Status status = task.validates ? evaluate(task, *val, arena, stop) : DONE;
  task.seconds += now() - begin;
  return status;
}

// Computes the diagnostics of one network: the norms of dL/dh by the number of steps that follow,
// (L, D, T), as sums over the sequences, and the states of the last layer, (R, D K).
void trace(Task& task, const Data& data, Arena arena, double* norms) {
  Shape shape = task.shape;
  shape.has_dropout = 0;
  Workspace w = lay_out(shape, data.count, data.longest, arena);
  const Index H = w.H, K = shape.hidden, D = shape.directions, T = data.longest;
  float* totals = arena.take<float>(shape.layers * D * w.lane_rows * H);
  form(w.batch, data, data.by_length, (int)data.count);
  pack_weights(w, shape, task.weights);
  forward(w, shape, data, nullptr);
  training_loss(w, shape, task.loss, batch_weight(w.batch, task.loss), task.confusion);
  backward(w, shape, task.weights, nullptr, totals);
  for (Index lane = 0; lane < shape.layers * D; lane++) {
    const float* total = totals + lane * w.lane_rows * H;
    for (int t = 0; t < w.batch.steps; t++) {
      for (int b = 0; b < w.batch.counts[t]; b++, total += H) {
        double square = 0;
        for (Index j = 0; j < K; j++) square += (double)total[j] * total[j];
        const Index left = w.batch.ends[b] - t;
        norms[lane * T + left] += __builtin_sqrt(square);
      }
    }
  }
}

// Keeps subnormal numbers while the library computes. Another library may have switched them off
// for this thread (linking with -ffast-math does), and the bits would depend on that.
struct KeepSubnormal {
#if defined(__SSE2__)
  const unsigned before = _mm_getcsr();
  KeepSubnormal() { _mm_setcsr(0x1f80); }  // the default: no exceptions, round to nearest
  ~KeepSubnormal() { _mm_setcsr(before); }
#elif defined(__aarch64__)
  uint64_t before;
  KeepSubnormal() {
    __asm__ volatile("mrs %0, fpcr" : "=r"(before));
    __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)0));
  }
  ~KeepSubnormal() { __asm__ volatile("msr fpcr, %0" : : "r"(before)); }
#endif
};

}  // namespace
}  // namespace seqsweep

#if defined(_WIN32)
#define SEQSWEEP_EXPORT extern "C" __declspec(dllexport)
#else
#define SEQSWEEP_EXPORT extern "C" __attribute__((visibility("default")))
#endif

// Returns the length of a vector in floats.
SEQSWEEP_EXPORT int32_t seqsweep_vector_length() { return seqsweep::VL; }

// Returns the bytes that `seqsweep_run` needs for one task; `val` may be null.
SEQSWEEP_EXPORT uint64_t seqsweep_workspace(const seqsweep::Task* task,
                                            const seqsweep::Data* train,
                                            const seqsweep::Data* val) {
  const seqsweep::Shape& shape = task->shape;
  seqsweep::Arena training = {0, 0}, evaluation = {0, 0};
  if (task->trains) seqsweep::lay_out(shape, task->batch_size, train->longest, training);
  if (val) {
    evaluation.take<float>(val->count);
    seqsweep::lay_out(shape, seqsweep::evaluation_batch(shape, *val), val->longest, evaluation);
  }
  return training.used > evaluation.used ? training.used : evaluation.used;
}

SEQSWEEP_EXPORT uint64_t seqsweep_parameters(const seqsweep::Shape* shape) {
  return (uint64_t)seqsweep::parameters(*shape);
}

// Runs the tasks one after another. The address `workspace` must be a multiple of 64.
SEQSWEEP_EXPORT int32_t seqsweep_run(seqsweep::Task** tasks, int64_t count,
                                     const seqsweep::Data* train, const seqsweep::Data* val,
                                     void* workspace, const volatile int32_t* stop) {
  const seqsweep::KeepSubnormal keep_subnormal;
  // The orders are checked here, because it is cheap in C++, and before anything changes.
  for (int64_t n = 0; n < count; n++)
    if (!seqsweep::in_range(*tasks[n], *train)) return seqsweep::OUT_OF_RANGE;
  for (int64_t n = 0; n < count; n++) {
    const seqsweep::Arena arena = {(uintptr_t)workspace, 0};
    const int32_t status = seqsweep::run(*tasks[n], *train, val, arena, stop);
    if (status != seqsweep::DONE) return status;
  }
  return seqsweep::DONE;
}

// Fills `logits` (S, C), in the order of the sequences; needs the memory of an evaluation.
SEQSWEEP_EXPORT void seqsweep_predict(const seqsweep::Task* task, const seqsweep::Data* data,
                                      void* workspace, float* logits) {
  const seqsweep::KeepSubnormal keep_subnormal;
  seqsweep::predict(*task, *data, {(uintptr_t)workspace, 0}, logits);
}

// Returns the bytes that `seqsweep_trace` needs.
SEQSWEEP_EXPORT uint64_t seqsweep_trace_workspace(const seqsweep::Task* task,
                                                  const seqsweep::Data* data) {
  seqsweep::Arena arena = {0, 0};
  const seqsweep::Workspace w = seqsweep::lay_out(task->shape, data->count, data->longest, arena);
  arena.take<float>(task->shape.layers * task->shape.directions * w.lane_rows * w.H);
  return arena.used;
}

// Adds to `norms` (L, D, T).
SEQSWEEP_EXPORT void seqsweep_trace(seqsweep::Task* task, const seqsweep::Data* data,
                                    void* workspace, double* norms) {
  const seqsweep::KeepSubnormal keep_subnormal;
  seqsweep::trace(*task, *data, {(uintptr_t)workspace, 0}, norms);
}

// Applies an elementwise operation of instructions.h to `count` numbers, for tests.
SEQSWEEP_EXPORT void seqsweep_operation(int32_t op, int64_t count, const float* a, const float* b,
                                        const float* c, float* out) {
  using namespace seqsweep;
  const Index left = count % VL, whole = count - left;
  compute(op, {out, {a, b, c}, 0, {}, 1, whole});
  float parts[4][VL] = {};  // the last numbers do not fill a vector
  const float* from[] = {a, b, c};
  for (int n = 0; n < 3; n++) copy(parts[n], from[n] + whole, left);
  compute(op, {parts[3], {parts[0], parts[1], parts[2]}, 0, {}, 1, VL});
  copy(out + whole, parts[3], left);
}

// Computes a * b + c, for tests. `way` is 0 for the multiply-add of this variant, 1 for that in
// software, and 2 for that in software with four lanes.
SEQSWEEP_EXPORT void seqsweep_multiply_add(int32_t way, int64_t count, const float* a,
                                           const float* b, const float* c, float* out) {
  using namespace seqsweep;
  for (int64_t i = 0; i < count; i++) {
    if (way == 0) out[i] = fma(splat(a[i]), splat(b[i]), splat(c[i]))[0];
    else out[i] = fma_in_software(a[i], b[i], c[i]);
#if defined(__SSE2__)
    const __m128 x = _mm_set1_ps(a[i]), y = _mm_set1_ps(b[i]), z = _mm_set1_ps(c[i]);
    if (way == 2) out[i] = _mm_cvtss_f32(fma_in_software(x, y, z));
#endif
  }
}
