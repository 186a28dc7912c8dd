// One kernel for all matrix products. It computes a tile of MR rows and NV vectors of columns in
// registers.
//
// Each number of a result is one chain of fused multiply-adds, in the order of the terms and of
// their depth. So it does not depend on the tile, the vector length or the other rows.
#pragma once

#include "vectors.h"

namespace seqsweep {
namespace {

// One summand a @ b of a result, with a(i, k) = a[i * a_row + k * a_step] and
// b(k, j) = b[k * b_step + j].
struct Term {
  const float* a;
  Index a_row, a_step;
  const float* b;
  Index b_step;  // 0 if b is packed in panels by `pack`
  int depth;
};

// Calls f(row, vector) for each vector of a tile. The loops are unrolled, as tiles are registers.
template <int MR, int NV, class F> SEQSWEEP_INLINE void each_vector(F&& f) {
#pragma GCC unroll 16
  for (int i = 0; i < MR; i++)
#pragma GCC unroll 8
    for (int v = 0; v < NV; v++) f(i, v);
}

// Adds a[first..first + MR] @ b to acc, for the panel of b at `b`.
template <int MR, int NV>
SEQSWEEP_INLINE void multiply_add(Vector (&acc)[MR][NV], const Term& term, int first) {
  const float* a = term.a + first * term.a_row;
  const float* b = term.b;
  for (int k = 0; k < term.depth; k++) {
    Vector columns[NV];
#pragma GCC unroll 8
    for (int v = 0; v < NV; v++) columns[v] = load(b + v * VL);
#pragma GCC unroll 16
    for (int i = 0; i < MR; i++) {
      const Vector row = splat(a[i * term.a_row]);
#pragma GCC unroll 8
      for (int v = 0; v < NV; v++) acc[i][v] = fma(row, columns[v], acc[i][v]);
    }
    a += term.a_step;
    b += term.b_step;
  }
}

// The largest number of rows of a tile whose sums fit into the registers, beside NV vectors of b
// and one of a. A kernel with a long end, such as that of a gated cell, gets fewer rows: it needs
// registers there, and more rows would only make the library larger.
constexpr int rows_at_once(int nv, bool has_long_end) {
  if (VL == 16 && has_long_end) return nv == 1 ? 8 : nv == 4 ? 4 : 6;
  if (VL == 16) return nv == 1 ? 14 : nv == 2 ? 12 : nv == 3 ? 8 : 6;
  if (VL == 8) return nv == 2 ? 6 : nv == 3 ? 3 : 2;
#if defined(__ARM_NEON)
  return has_long_end ? 4 : 6;
#else
  return 1;
#endif
}

template <int... N> struct Numbers {};
template <int N, int... Rest> struct UpTo : UpTo<N - 1, N, Rest...> {};
template <int... Rest> struct UpTo<0, Rest...> { using type = Numbers<Rest...>; };

// The instances of a kernel by their number of rows.
template <class Kernel, int NV,
          class Rows = typename UpTo<rows_at_once(NV, Kernel::has_long_end)>::type>
struct Tiles;
template <class Kernel, int NV, int... MR> struct Tiles<Kernel, NV, Numbers<MR...>> {
  using Run = void (*)(const Kernel&, int);
  static constexpr Run of_rows[] = {nullptr, &Kernel::template run<MR, NV>...};

  // Computes rows 0..rows, in tiles whose sizes are as equal as possible.
  static void run(const Kernel& kernel, int rows) {
    const int most = sizeof...(MR), tiles = (rows + most - 1) / most;
    if (tiles == 0) return;
    const int least = rows / tiles, larger_ones = rows % tiles;
    for (int tile = 0, first = 0; tile < tiles; tile++) {
      const int size = least + (tile < larger_ones);
      of_rows[size](kernel, first);
      first += size;
    }
  }
};

template <class Kernel> SEQSWEEP_INLINE void run_rows(const Kernel& kernel, int nv, int rows) {
  if constexpr (NARROWEST == WIDEST) {
    Tiles<Kernel, WIDEST>::run(kernel, rows);
  } else {
    switch (nv) {
      case 1: return Tiles<Kernel, 1>::run(kernel, rows);
      case 2: return Tiles<Kernel, 2>::run(kernel, rows);
      case 3: return Tiles<Kernel, 3>::run(kernel, rows);
      default: return Tiles<Kernel, 4>::run(kernel, rows);
    }
  }
}

// Returns the number of vectors in the next panel if `left` vectors of columns remain.
SEQSWEEP_INLINE int panel_width(int left) {
  if (NARROWEST == WIDEST) return WIDEST;
  if (left == WIDEST + 1) return 3;  // and then 2: a panel of one vector is slow
  return left < WIDEST ? left : WIDEST;
}

// Moves the terms of a kernel to its next panel, which begins `width` columns further.
template <int N>
SEQSWEEP_INLINE void next_panel(Term (&terms)[N], const Index (&packed)[N], Index width) {
  for (int n = 0; n < N; n++) terms[n].b += packed[n] ? terms[n].depth * width : width;
}

// Sets the terms to each panel of `columns` columns in turn and calls f(vectors, first column).
template <class Kernel, class F>
SEQSWEEP_INLINE void each_panel(Kernel& kernel, Index columns, F&& f) {
  constexpr int count = sizeof kernel.terms / sizeof kernel.terms[0];
  Index packed[count];
  for (int n = 0; n < count; n++) packed[n] = kernel.terms[n].b_step == 0;
  for (Index column = 0; column < columns;) {
    const int nv = panel_width((int)((columns - column) / VL));
    const Index width = (Index)nv * VL;
    for (int n = 0; n < count; n++)
      if (packed[n]) kernel.terms[n].b_step = width;
    f(nv, column);
    next_panel(kernel.terms, packed, width);
    column += width;
  }
}

// Runs the kernels of a gated cell for each vector of columns: kernel(column), whose terms have
// panels that hold one vector of each of G gates.
template <int G, class F> SEQSWEEP_INLINE void each_gate_panel(Index columns, int rows, F&& kernel) {
  for (Index column = 0; column < columns; column += VL) {
    auto f = kernel(column);
    for (Term& term : f.terms) {
      term.b += G * column * term.depth;
      term.b_step = G * VL;
    }
    Tiles<decltype(f), G>::run(f, rows);
  }
}

// A product: out = start + the sum of the terms.
struct Product {
  Term terms[4];
  const float* start;  // null for zero; `out` itself to add to it
  Index start_row;     // 0 if all rows share one, such as a bias
  float* out;
  Index out_row;
  static constexpr bool has_long_end = false;

  template <int MR, int NV> static void run(const Product& p, int first) {
    Vector acc[MR][NV];
    each_vector<MR, NV>([&](int i, int v) {
      acc[i][v] = p.start ? load(p.start + (first + i) * p.start_row + v * VL) : zero();
    });
    for (const Term& term : p.terms)
      if (term.depth) multiply_add<MR, NV>(acc, term, first);
    each_vector<MR, NV>([&](int i, int v) {
      store(p.out + (first + i) * p.out_row + v * VL, acc[i][v]);
    });
  }
};

inline void multiply(Product product, int rows, Index columns) {
  const float* start = product.start;
  float* out = product.out;
  each_panel(product, columns, [&](int nv, Index column) {
    product.start = start ? start + column : nullptr;
    product.out = out + column;
    run_rows(product, nv, rows);
  });
}

// Computes out (M, N) = a^T b over the rows of a and b; with `adds` it is added to `out`.
//
// The rows are cut into runs that stay in the first cache while all tiles read them. The chain of
// each number continues through all runs, so the cuts change no result.
inline void multiply_rows(Index M, Index N, Index rows, const float* a, Index a_row,
                                 const float* b, Index b_row, float* out, bool adds) {
  const Index wide = M > N ? M : N;
  const Index run = 6144 / wide > 32 ? 6144 / wide : 32;
  for (Index first = 0; first < rows; first += run) {
    const int depth = (int)(rows - first < run ? rows - first : run);
    const bool from_zero = !adds && first == 0;
    Product product = {{{a + first * a_row, 1, a_row, b + first * b_row, b_row, depth}},
                       from_zero ? nullptr : out, N, out, N};
    multiply(product, (int)M, N);
  }
}

typedef float UnalignedFour __attribute__((vector_size(16), aligned(4)));

// Transposes a matrix: out (K, N) = w^T for w (N, K).
inline void transpose(const float* w, Index w_row, Index N, Index K, float* out,
                             Index out_row) {
  for (Index n = 0; n < N; n += 4) {
    const float* from = w + n * w_row;
    Index k = 0;
    if (N - n >= 4) {
      for (; k + 4 <= K; k += 4) {
        const Four a = *(const UnalignedFour*)(from + k);
        const Four b = *(const UnalignedFour*)(from + w_row + k);
        const Four c = *(const UnalignedFour*)(from + 2 * w_row + k);
        const Four d = *(const UnalignedFour*)(from + 3 * w_row + k);
        const Four ab = {a[0], b[0], a[1], b[1]}, cd = {c[0], d[0], c[1], d[1]};
        const Four ab2 = {a[2], b[2], a[3], b[3]}, cd2 = {c[2], d[2], c[3], d[3]};
        float* to = out + k * out_row + n;
        *(UnalignedFour*)to = Four{ab[0], ab[1], cd[0], cd[1]};
        *(UnalignedFour*)(to + out_row) = Four{ab[2], ab[3], cd[2], cd[3]};
        *(UnalignedFour*)(to + 2 * out_row) = Four{ab2[0], ab2[1], cd2[0], cd2[1]};
        *(UnalignedFour*)(to + 3 * out_row) = Four{ab2[2], ab2[3], cd2[2], cd2[3]};
      }
    }
    const Index rows = N - n < 4 ? N - n : 4;
    for (; k < K; k++)
      for (Index row = 0; row < rows; row++) out[k * out_row + n + row] = from[row * w_row + k];
  }
}

SEQSWEEP_INLINE void clear(float* to, Index count) {
  __builtin_memset(to, 0, (size_t)count * sizeof(float));
}

SEQSWEEP_INLINE void copy(float* to, const float* from, Index count) {
  Index i = 0;
  for (; i + VL <= count; i += VL) store(to + i, load(from + i));
  for (; i < count; i++) to[i] = from[i];
}

// Packs b (K, N) into panels, with N rounded up to 16 columns. A panel holds its part of all rows,
// one row after another. With `gates` matrices, their rows follow each other as gates * K rows.
inline void pack(const float* b, Index b_row, Index K, Index N, float* out) {
  const Index columns = rounded_up(N, 16);
  for (Index column = 0; column < columns;) {
    const Index width = (Index)panel_width((int)((columns - column) / VL)) * VL;
    const Index full = N - column < width ? N - column : width;
    for (Index k = 0; k < K; k++, out += width) {
      copy(out, b + k * b_row + column, full);
      if (full < width) clear(out + full, width - full);
    }
    column += width;
  }
}

// Packs w^T into the same panels, for w (N, K) with the outputs first, as in torch.
inline void pack_transposed(const float* w, Index w_row, Index K, Index N, float* out) {
  const Index columns = rounded_up(N, 16);
  for (Index column = 0; column < columns;) {
    const Index width = (Index)panel_width((int)((columns - column) / VL)) * VL;
    const Index full = N - column < width ? N - column : width;
    if (full < width) clear(out, K * width);
    transpose(w + column * w_row, w_row, full, K, out, width);
    out += K * width;
    column += width;
  }
}

// Packs the transposes of `gates` stacked matrices (H, K). A panel holds one vector of each gate.
inline void pack_gates(const float* w, Index w_row, Index K, Index H, int gates,
                              float* out) {
  const Index columns = rounded_up(H, 16), width = (Index)gates * VL;
  for (Index column = 0; column < columns; column += VL) {
    const Index left = H - column, full = left < 0 ? 0 : left < VL ? left : VL;
    if (full < VL) clear(out, K * width);
    for (int gate = 0; gate < gates && full; gate++)
      transpose(w + (gate * H + column) * w_row, w_row, full, K, out + gate * VL, width);
    out += K * width;
  }
}

}  // namespace
}  // namespace seqsweep
