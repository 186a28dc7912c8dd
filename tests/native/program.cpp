// Draws first weights, trains a fixed set of networks through the C interface, and prints a hash of
// the bits of each.
//
// scripts/native_check.py compiles it for several machines, with several compilers and with
// sanitizers. All must print the same. Every array is allocated separately and in its exact size, so
// that AddressSanitizer sees each access beyond it.
#include "seqsweep.cpp"

// The programs of cells, which scripts/native_check.py writes: `programs` and `program_count`.
#include "programs.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

using namespace seqsweep;

namespace {

// Random numbers from integer operations alone, so that no library of the machine takes part.
struct Random {
  uint64_t state;
  uint32_t next() {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33);
  }
  int below(int limit) { return (int)(next() % (uint32_t)limit); }
  float between(float low, float high) {
    return low + (high - low) * ((float)(next() >> 7) * (1.0f / 16777216.0f));
  }
};

// The FNV-1a hash of all values that are added. All NaN count as one value, because they differ
// between machines.
struct Hash {
  uint64_t value = 14695981039346656037u;
  void add(const void* from, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) value = (value ^ ((const uint8_t*)from)[i]) * 1099511628211u;
  }
  void add_floats(const float* from, Index count) {
    for (Index i = 0; i < count; i++) {
      const float number = from[i] != from[i] ? 12345.0f : from[i];
      add(&number, sizeof number);
    }
  }
};

template <class T> T* allocate(Index count) {
  T* array = (T*)calloc((size_t)count, sizeof(T));
  if (!array) abort();
  return array;
}

float* numbers(Random& random, Index count, float scale) {
  float* array = allocate<float>(count);
  for (Index i = 0; i < count; i++) array[i] = random.between(-scale, scale);
  return array;
}

struct Split {
  Data data;
  float* x;
  int64_t *lengths, *labels, *by_length;

  Split(Random& random, int count, int longest, int features, int classes, bool mixed) {
    x = numbers(random, (Index)count * longest * features, 1.5f);
    lengths = allocate<int64_t>(count);
    labels = allocate<int64_t>(count);
    by_length = allocate<int64_t>(count);
    for (int s = 0; s < count; s++) {
      lengths[s] = mixed && s ? 1 + random.below(longest) : longest;
      labels[s] = random.below(classes);
    }
    int place = 0;
    for (int length = longest; length > 0; length--)
      for (int s = 0; s < count; s++)
        if (lengths[s] == length) by_length[place++] = s;
    data = {x, lengths, labels, by_length, count, longest, features, !mixed};
  }
  ~Split() {
    free(x);
    free(lengths);
    free(labels);
    free(by_length);
  }
};

void shuffle(Random& random, int64_t* order, int count) {
  for (int i = 0; i < count; i++) order[i] = i;
  for (int i = count - 1; i > 0; i--) {
    const int other = random.below(i + 1);
    const int64_t kept = order[i];
    order[i] = order[other];
    order[other] = kept;
  }
}

void* aligned_workspace(uint64_t size, void** allocated) {
  *allocated = malloc(size + 64);
  return (void*)(((uintptr_t)*allocated + 63) / 64 * 64);
}

// Draws the masks of one epoch, step after step: 4/3 with probability 3/4, else 0.
float* dropout_masks(Random& random, const Shape& shape, const Split& split, int64_t count) {
  Index rows = 0;
  for (int64_t s = 0; s < count; s++) rows += split.lengths[s];
  const Index total = (shape.layers - 1) * rows * shape.directions * shape.hidden;
  float* masks = allocate<float>(total);
  for (Index i = 0; i < total; i++) masks[i] = random.below(4) ? 1.0f / 0.75f : 0.0f;
  return masks;
}

constexpr int networks_of_torch = 96;
constexpr int other_kinds = 2 + program_count;

// Trains, evaluates and applies the network with this number, for two epochs.
uint64_t train_network(int number) {
  static const int hidden_sizes[] = {1, 7, 16, 20, 33, 48, 70};
  static const int batch_sizes[] = {1, 5, 8, 13, 29};
  Random random = {(uint64_t)number * 1000003u + 17};
  Shape shape;
  // After the cells of torch come, in rounds, the two IndRNNs and the programs. The directions
  // change after each round, so that each kind has networks with one direction and with two.
  const bool is_of_torch = number < networks_of_torch;
  const int place = is_of_torch ? number : number - networks_of_torch;
  const int kinds = is_of_torch ? 4 : other_kinds, kind = place % kinds;
  shape.cell = is_of_torch ? kind : kind < 2 ? INDRNN_TANH + kind : PROGRAM;
  shape.program = shape.cell == PROGRAM ? &programs[kind - 2] : nullptr;
  shape.directions = 1 + place / kinds % 2;
  shape.layers = 1 + number / 8 % 3;
  shape.pooling = (number / 24 + number) % 3;
  const int32_t optimizer = (number / 4 + number / 16) % 4;
  shape.hidden = hidden_sizes[random.below(7)];
  shape.features = 1 + random.below(9);
  shape.classes = 2 + random.below(6);
  shape.has_dropout = shape.layers > 1 && random.below(2);
  const bool is_mixed = random.below(3) > 0;
  const int count = 29, longest = 1 + random.below(11);
  const Split train(random, count, longest, shape.features, shape.classes, is_mixed);
  const Split val(random, 11, longest, shape.features, shape.classes, is_mixed);

  const Index P = (Index)seqsweep_parameters(&shape);
  float* weights = numbers(random, P, 0.3f);
  float *moment1 = allocate<float>(P), *moment2 = allocate<float>(P);
  float* on = allocate<float>(shape.classes);
  float* off = allocate<float>(shape.classes);
  float* label_weights = allocate<float>(shape.classes);
  const bool is_weighted = random.below(2), is_smoothed = random.below(2);
  for (int c = 0; c < shape.classes; c++) {
    label_weights[c] = is_weighted ? random.between(0.5f, 2.0f) : 1.0f;
    on[c] = (is_smoothed ? 0.9f : 1.0f) * label_weights[c];
    off[c] = (is_smoothed ? 0.1f / (float)shape.classes : 0.0f) * label_weights[c];
  }
  const Index cells = (Index)shape.classes * shape.classes;
  int64_t *confusion = allocate<int64_t>(cells), *val_confusion = allocate<int64_t>(cells);
  int64_t* order = allocate<int64_t>(count);

  Task task = {};
  task.shape = shape;
  task.optimizer = optimizer;
  task.trains = task.validates = 1;
  task.batch_size = batch_sizes[random.below(5)];
  task.last_batch = (count + task.batch_size - 1) / task.batch_size;
  task.weights = weights;
  task.moment1 = moment1;
  task.moment2 = moment2;
  task.order = order;
  task.count = count;
  task.loss = {on, off, is_weighted ? label_weights : nullptr};
  task.max_norm = random.below(2) ? 0.5f : __builtin_inff();
  task.options = {0.01, 0.9, 0.999, 1e-8, random.below(2) ? 0.01 : 0.0, random.below(2) ? 0.9 : 0.0,
                  0.0, 0.99};
  if (task.options.momentum > 0) task.options.nesterov = random.below(2);
  task.confusion = confusion;
  task.val_confusion = val_confusion;

  void* allocated;
  void* workspace = aligned_workspace(seqsweep_workspace(&task, &train.data, &val.data), &allocated);
  for (int epoch = 0; epoch < 2; epoch++) {
    shuffle(random, order, count);
    float* masks = shape.has_dropout ? dropout_masks(random, shape, train, count) : nullptr;
    task.masks = masks;
    Task* tasks[] = {&task};
    const int32_t stop = 0;
    if (seqsweep_run(tasks, 1, &train.data, &val.data, workspace, &stop) != DONE) abort();
    free(masks);
  }

  Hash hash;
  hash.add_floats(weights, P);
  hash.add_floats(moment1, P);
  hash.add_floats(moment2, P);
  const double sums[] = {task.loss_sum, task.weight_sum, task.norm_sum, task.val_loss};
  hash.add(sums, sizeof sums);
  hash.add(confusion, (size_t)cells * sizeof(int64_t));
  hash.add(val_confusion, (size_t)cells * sizeof(int64_t));
  float* logits = allocate<float>(val.data.count * shape.classes);
  seqsweep_predict(&task, &val.data, workspace, logits);
  hash.add_floats(logits, val.data.count * shape.classes);
  free(logits);
  bool is_finite = true;
  for (Index i = 0; i < P; i++) is_finite &= weights[i] - weights[i] == 0;
  if (!is_finite) abort();  // NaN would equal NaN and prove nothing
  void* arrays[] = {weights,   moment1,       moment2, on,       off, label_weights,
                    confusion, val_confusion, order,   allocated};
  for (void* array : arrays) free(array);
  return hash.value;
}

// The Mersenne Twister of M. Matsumoto and T. Nishimura (1998), torch's generator.
struct Twister {
  uint32_t state[624];
  int index = 0;
  explicit Twister(uint32_t seed) {
    state[0] = seed;
    for (uint32_t i = 1; i < 624; i++)
      state[i] = 1812433253u * (state[i - 1] ^ (state[i - 1] >> 30)) + i;
  }
  uint32_t next() {
    const int i = index, after = (i + 1) % 624;
    const uint32_t mixed = (state[i] & 0x80000000u) | (state[after] & 0x7fffffffu);
    state[i] = state[(i + 397) % 624] ^ (mixed >> 1) ^ (mixed & 1 ? 0x9908b0dfu : 0);
    index = after;
    uint32_t y = state[i];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
  }
};

// Draws the weights of a GRU as seqsweep/models/initial.py does. `torch.rand` takes the lowest 24
// bits of a number.
uint64_t hash_first_weights() {
  const int features = 5, hidden = 33;
  const Index count = 3 * hidden * (features + hidden + 2);
  const double bound = 1 / sqrt((double)hidden);
  Twister generator(7);
  float* weights = allocate<float>(count);
  for (Index i = 0; i < count; i++) {
    const double uniform = (double)(generator.next() & 0xffffff) / 16777216.0;
    weights[i] = (float)((2 * uniform - 1) * bound);
  }
  Hash hash;
  hash.add_floats(weights, count);
  free(weights);
  return hash.value;
}

// Applies an operation to numbers of every magnitude and sign, infinities and NaN.
uint64_t hash_operation(int32_t operation) {
  const int count = 1 << 16;
  Random random = {11};
  float* arrays[4];
  for (float*& array : arrays) array = allocate<float>(count);
  for (uint32_t i = 0; i < (uint32_t)count; i++) {
    const uint32_t bits[] = {i * 65537u, random.next() << 1, i % 3 ? i * 65537u : random.next()};
    for (int n = 0; n < 3; n++) memcpy(arrays[n] + i, &bits[n], sizeof bits[n]);
  }
  seqsweep_operation(operation, count, arrays[0], arrays[1], arrays[2], arrays[3]);
  Hash hash;
  hash.add_floats(arrays[3], count);
  for (float* array : arrays) free(array);
  return hash.value;
}

uint64_t hash_multiply_add(int32_t in_software) {
  const int count = 1 << 16;
  Random random = {5};
  float* arrays[4];
  for (float*& array : arrays) {
    array = allocate<float>(count);
    for (int i = 0; i < count; i++) {
      const uint32_t bits = random.next() << 1 | (random.next() & 1);
      memcpy(array + i, &bits, sizeof bits);
    }
  }
  for (int i = 0; i < count / 2; i++)  // near cancellation, where the rounding shows
    arrays[2][i] = -(arrays[0][i] * arrays[1][i]);
  seqsweep_multiply_add(in_software, count, arrays[0], arrays[1], arrays[2], arrays[3]);
  Hash hash;
  hash.add_floats(arrays[3], count);
  for (float* array : arrays) free(array);
  return hash.value;
}

}  // namespace

int main() {
  printf("first weights %016" PRIx64 "\n", hash_first_weights());
  for (int32_t operation = 0; operation < SUM; operation++)
    printf("operation %d %016" PRIx64 "\n", operation, hash_operation(operation));
  const uint64_t in_hardware = hash_multiply_add(0), in_software = hash_multiply_add(1);
  printf("multiply-add %016" PRIx64 "\n", in_hardware);
  if (in_hardware != in_software) return 1;
  for (int number = 0; number < networks_of_torch + 4 * other_kinds; number++)
    printf("network %d %016" PRIx64 "\n", number, train_network(number));
  return 0;
}
