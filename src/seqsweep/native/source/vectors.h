// Vectors of VL floats, and the few operations on them that all other code is written with.
//
// VL depends on the instruction set, but no result does: the lanes of a vector never mix. Every
// multiply-add is the `fma` below, which rounds once. The compiler must not fuse operations on its
// own (-ffp-contract=off). All instruction sets give the same result where an operand is NaN.
//
// The inner namespace keeps all names private, because variants may be loaded side by side.
#pragma once

#include <stddef.h>
#include <stdint.h>

#if defined(__SSE2__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

#define SEQSWEEP_INLINE inline __attribute__((always_inline))

namespace seqsweep {
namespace {

using Index = ptrdiff_t;

// A panel holds NV vectors side by side, where NV is between NARROWEST and WIDEST. Widths are
// multiples of 16 columns, so shorter vectors always fill panels of the widest kind.
#if defined(__AVX512F__)
constexpr int VL = 16, NARROWEST = 1, WIDEST = 4;
#elif defined(__AVX2__)
constexpr int VL = 8, NARROWEST = 2, WIDEST = 2;
#else
constexpr int VL = 4, NARROWEST = 4, WIDEST = 4;
#endif

typedef float Vector __attribute__((vector_size(VL * 4)));
typedef uint32_t Bits __attribute__((vector_size(VL * 4)));
typedef int32_t Integers __attribute__((vector_size(VL * 4)));
typedef float Four __attribute__((vector_size(16)));
typedef float Unaligned __attribute__((vector_size(VL * 4), aligned(4)));

SEQSWEEP_INLINE Vector load(const float* from) { return *(const Unaligned*)from; }
SEQSWEEP_INLINE void store(float* to, Vector value) { *(Unaligned*)to = value; }
SEQSWEEP_INLINE Vector zero() { return Vector{}; }

SEQSWEEP_INLINE Vector splat(float value) {
#if defined(__AVX512F__)
  return (Vector)_mm512_set1_ps(value);
#elif defined(__AVX2__)
  return (Vector)_mm256_set1_ps(value);
#else
  return Vector{value, value, value, value};
#endif
}

// Returns a < b ? a : b in each lane, which is b if either is NaN.
SEQSWEEP_INLINE Vector smaller(Vector a, Vector b) {
#if defined(__AVX512F__)
  return (Vector)_mm512_min_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__)
  return (Vector)_mm256_min_ps((__m256)a, (__m256)b);
#else
  return a < b ? a : b;
#endif
}

// Returns a > b ? a : b in each lane, which is b if either is NaN.
SEQSWEEP_INLINE Vector larger(Vector a, Vector b) {
#if defined(__AVX512F__)
  return (Vector)_mm512_max_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__)
  return (Vector)_mm256_max_ps((__m256)a, (__m256)b);
#else
  return a > b ? a : b;
#endif
}

SEQSWEEP_INLINE Vector square_root(Vector a) {
#if defined(__AVX512F__)
  return (Vector)_mm512_sqrt_ps((__m512)a);
#elif defined(__AVX2__)
  return (Vector)_mm256_sqrt_ps((__m256)a);
#elif defined(__ARM_NEON)
  return (Vector)vsqrtq_f32((float32x4_t)a);
#else
  Vector root;
  for (int lane = 0; lane < VL; lane++) root[lane] = __builtin_sqrtf(a[lane]);
  return root;
#endif
}

// Returns a * b + c, rounded once, on processors without such an instruction.
//
// The product of two floats is exact in double. Its sum with c is rounded to odd: an inexact sum
// becomes the neighbour whose last bit is 1. The second rounding, to float, then gives the result
// of a single rounding (Boldo & Melquiond 2008, Emulation of FMA and correctly rounded sums).
SEQSWEEP_INLINE float fma_in_software(float a, float b, float c) {
  const double product = (double)a * (double)b, addend = c;
  const double sum = product + addend;
  const double part = sum - product;
  const double error = (product - (sum - part)) + (addend - part);  // Knuth's two-sum: exact
  double odd = sum;
  if (error < 0 || error > 0) {  // false if the sum is exact or NaN
    int64_t bits;
    __builtin_memcpy(&bits, &sum, sizeof bits);
    if (!(bits & 1)) bits += (error > 0) == (sum > 0) ? 1 : -1;
    __builtin_memcpy(&odd, &bits, sizeof bits);
  }
  return (float)odd;
}

#if defined(__SSE2__)
// Returns whether rounding a sum to double and then to float may differ from rounding it once.
// It may only if the sum lies halfway between two floats, or is subnormal as a float.
SEQSWEEP_INLINE __m128d may_round_twice(__m128d sum) {
  const __m128i low_bits = _mm_set_epi32(0, 0x1fffffff, 0, 0x1fffffff);
  const __m128i half = _mm_set_epi32(1, 0x10000000, 1, 0x10000000);  // 1 never matches
  const __m128i is_halfway = _mm_cmpeq_epi32(_mm_and_si128(_mm_castpd_si128(sum), low_bits), half);
  const __m128d size = _mm_andnot_pd(_mm_set1_pd(-0.0), sum);
  const __m128d is_tiny = _mm_and_pd(_mm_cmplt_pd(size, _mm_set1_pd(0x1p-126)),
                                     _mm_cmpneq_pd(size, _mm_setzero_pd()));
  return _mm_or_pd(_mm_castsi128_pd(is_halfway), is_tiny);
}

// It is not inlined, because calls are rare and the code would grow threefold.
__attribute__((noinline, cold)) __m128 fma_lane_by_lane(__m128 a, __m128 b, __m128 c) {
  float sums[4];
  for (int lane = 0; lane < 4; lane++)
    sums[lane] = fma_in_software(((Four)a)[lane], ((Four)b)[lane], ((Four)c)[lane]);
  return _mm_loadu_ps(sums);
}

// Returns a * b + c for four lanes. The slow exact way is needed only for one in 2^29 sums.
SEQSWEEP_INLINE __m128 fma_in_software(__m128 a, __m128 b, __m128 c) {
  const __m128d low = _mm_add_pd(_mm_mul_pd(_mm_cvtps_pd(a), _mm_cvtps_pd(b)), _mm_cvtps_pd(c));
  const __m128 a2 = _mm_movehl_ps(a, a), b2 = _mm_movehl_ps(b, b), c2 = _mm_movehl_ps(c, c);
  const __m128d high = _mm_add_pd(_mm_mul_pd(_mm_cvtps_pd(a2), _mm_cvtps_pd(b2)), _mm_cvtps_pd(c2));
  const __m128d doubt = _mm_or_pd(may_round_twice(low), may_round_twice(high));
  if (__builtin_expect(_mm_movemask_ps(_mm_castpd_ps(doubt)), 0)) return fma_lane_by_lane(a, b, c);
  return _mm_movelh_ps(_mm_cvtpd_ps(low), _mm_cvtpd_ps(high));
}
#endif

// Returns a * b + c, rounded once.
SEQSWEEP_INLINE Vector fma(Vector a, Vector b, Vector c) {
#if defined(__AVX512F__)
  return (Vector)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__AVX2__)
  return (Vector)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(__ARM_NEON)
  return (Vector)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#elif defined(__SSE2__)
  return (Vector)fma_in_software((__m128)a, (__m128)b, (__m128)c);
#else
  Vector sum;
  for (int lane = 0; lane < VL; lane++) sum[lane] = fma_in_software(a[lane], b[lane], c[lane]);
  return sum;
#endif
}

SEQSWEEP_INLINE Index rounded_up(Index value, Index to) { return (value + to - 1) / to * to; }

}  // namespace
}  // namespace seqsweep
