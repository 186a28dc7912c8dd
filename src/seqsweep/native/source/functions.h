// exp, log, tanh and the logistic function, with the same bits on every machine.
#pragma once

#include "vectors.h"

namespace seqsweep {
namespace {

// The values of 1 / 0 and 0 / 0, without a division that a sanitizer would report.
SEQSWEEP_INLINE Vector infinity() { return splat(__builtin_inff()); }
SEQSWEEP_INLINE Vector not_a_number() { return splat(__builtin_nanf("")); }

// Returns 2^power, for powers in -126..127.
SEQSWEEP_INLINE Vector power_of_two(Integers power) {
  return (Vector)((Bits)(power + 127) << 23);
}

// Returns e^x. The polynomial of Cephes gives the fractional part, the exponent the whole part.
SEQSWEEP_INLINE Vector exp(Vector x) {
  x = smaller(splat(89.0f), x);  // larger results are infinite, which 2^128 gives
  x = larger(splat(-104.0f), x);
  // The sum with 1.5 * 2^23 is rounded to a whole number, which is then in its last bits.
  const Vector shift = splat(12582912.0f);
  const Vector shifted = fma(x, splat(1.44269504088896341f), shift);
  const Vector whole = shifted - shift;
  Vector r = fma(whole, splat(-0.693359375f), x);
  r = fma(whole, splat(2.12194440e-4f), r);
  Vector p = splat(1.9875691500e-4f);
  p = fma(p, r, splat(1.3981999507e-3f));
  p = fma(p, r, splat(8.3334519073e-3f));
  p = fma(p, r, splat(4.1665795894e-2f));
  p = fma(p, r, splat(1.6666665459e-1f));
  p = fma(p, r, splat(5.0000001201e-1f));
  p = fma(p, r * r, r + splat(1.0f));
  // The power is applied in two halves, because 2^128 and 2^-150 are not floats.
  const Integers power = (Integers)((Bits)shifted - (Bits)shift);
  const Integers half = power >> 1;
  return p * power_of_two(half) * power_of_two(power - half);
}

// Returns the natural logarithm, by the polynomial of Cephes on sqrt(1/2)..sqrt(2).
SEQSWEEP_INLINE Vector log(Vector x) {
  const Vector one = splat(1.0f);
  const auto is_tiny = x < splat(1.17549435e-38f);  // the exponent of a subnormal number is 0
  const Vector scaled = is_tiny ? x * splat(33554432.0f) : x;
  const Bits bits = (Bits)scaled;
  // A small whole number is converted to float by adding it to the bits of 1.5 * 2^23.
  const Vector shift = splat(12582912.0f);
  Vector exponent = (Vector)((bits >> 23) - 126 + (Bits)shift) - shift;
  exponent = exponent - (is_tiny ? splat(25.0f) : zero());
  Vector m = (Vector)((bits & 0x007fffffu) | 0x3f000000u);  // 0.5 <= m < 1
  const auto is_low = m < splat(0.707106781186547524f);
  exponent = exponent - (is_low ? one : zero());
  m = (is_low ? m + m : m) - one;
  const Vector square = m * m;
  Vector p = splat(7.0376836292e-2f);
  p = fma(p, m, splat(-1.1514610310e-1f));
  p = fma(p, m, splat(1.1676998740e-1f));
  p = fma(p, m, splat(-1.2420140846e-1f));
  p = fma(p, m, splat(1.4249322787e-1f));
  p = fma(p, m, splat(-1.6668057665e-1f));
  p = fma(p, m, splat(2.0000714765e-1f));
  p = fma(p, m, splat(-2.4999993993e-1f));
  p = fma(p, m, splat(3.3333331174e-1f));
  Vector y = p * m * square;
  y = fma(exponent, splat(-2.12194440e-4f), y);
  y = fma(square, splat(-0.5f), y);
  const Vector value = fma(exponent, splat(0.693359375f), m + y);
  const Vector outside = x == zero() ? -infinity() : not_a_number();
  return x > zero() ? (x < infinity() ? value : x) : outside;
}

// Returns tanh x, by the rational approximation of Eigen. 0 stays 0, and NaN stays NaN.
SEQSWEEP_INLINE Vector tanh(Vector x) {
  const float bound = 7.99881172180175781f;  // tanh of larger numbers rounds to 1
  x = smaller(splat(bound), x);
  x = larger(splat(-bound), x);
  const Vector y = x * x;
  Vector p = splat(-2.76076847742355e-16f);
  p = fma(p, y, splat(2.00018790482477e-13f));
  p = fma(p, y, splat(-8.60467152213735e-11f));
  p = fma(p, y, splat(5.12229709037114e-08f));
  p = fma(p, y, splat(1.48572235717979e-05f));
  p = fma(p, y, splat(6.37261928875436e-04f));
  p = fma(p, y, splat(4.89352455891786e-03f));
  Vector q = splat(1.19825839466702e-06f);
  q = fma(q, y, splat(1.18534705686654e-04f));
  q = fma(q, y, splat(2.26843463243900e-03f));
  q = fma(q, y, splat(4.89352518554385e-03f));
  return p / q * x;  // p * x / q would lose digits for tiny x
}

// Returns 1 / (1 + e^-x), with a small relative error even far below zero.
SEQSWEEP_INLINE Vector sigmoid(Vector x) {
  const Vector one = splat(1.0f);
  return one / (one + exp(-x));
}

// Returns log(1 + e^x).
SEQSWEEP_INLINE Vector softplus(Vector x) {
  return larger(zero(), x) + log(splat(1.0f) + exp(smaller(x, -x)));
}

// Computes sin x and cos x, by the polynomials of Cephes on -pi/4..pi/4. Beyond 8192 radians, where
// a float has less than three digits of the angle left, the angle stays at 8192.
SEQSWEEP_INLINE void sin_cos(Vector x, Vector& sine, Vector& cosine) {
  x = larger(splat(-8192.0f), smaller(splat(8192.0f), x));
  const Vector shift = splat(12582912.0f);  // as in exp
  const Vector shifted = fma(x, splat(0.636619772367581343f), shift), quarters = shifted - shift;
  Vector r = fma(quarters, splat(-1.5703125f), x);  // pi / 2 in three parts
  r = fma(quarters, splat(-4.837512969970703125e-4f), r);
  r = fma(quarters, splat(-7.5497899549e-8f), r);
  const Vector square = r * r;
  Vector s = fma(splat(-1.9515295891e-4f), square, splat(8.3321608736e-3f));
  s = fma(fma(s, square, splat(-1.6666654611e-1f)) * square, r, r);
  Vector c = fma(splat(2.443315711809948e-5f), square, splat(-1.388731625493765e-3f));
  c = fma(fma(c, square, splat(4.166664568298827e-2f)), square * square,
          fma(splat(-0.5f), square, splat(1.0f)));
  const Bits quarter = (Bits)shifted;  // its last two bits
  const auto is_odd = (quarter & 1) != 0;
  sine = (Vector)((Bits)(is_odd ? c : s) ^ ((quarter & 2) << 30));
  cosine = (Vector)((Bits)(is_odd ? s : c) ^ (((quarter + 1) & 2) << 30));
}

}  // namespace
}  // namespace seqsweep
