// The description of the library, and the variants that this CPU can run. The portable variant is
// asked first, so this file must not use instructions beyond the baseline.

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#if defined(_WIN32)
#define SEQSWEEP_EXPORT extern "C" __declspec(dllexport)
#else
#define SEQSWEEP_EXPORT extern "C" __attribute__((visibility("default")))
#endif

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)

#if defined(__clang__)
#define COMPILER "clang " TEXT(__clang_major__) "." TEXT(__clang_minor__) "." TEXT(__clang_patchlevel__)
#else
#define COMPILER "g++ " TEXT(__GNUC__) "." TEXT(__GNUC_MINOR__) "." TEXT(__GNUC_PATCHLEVEL__)
#endif

SEQSWEEP_EXPORT const char* seqsweep_variant() { return SEQSWEEP_VARIANT; }
SEQSWEEP_EXPORT const char* seqsweep_compiler() { return COMPILER; }
SEQSWEEP_EXPORT const char* seqsweep_source() { return SEQSWEEP_SOURCE; }

#if defined(__x86_64__)
namespace {

// Returns the registers that the operating system saves when it switches threads (XCR0).
unsigned saved_registers() {
  unsigned low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

bool has_all(unsigned value, unsigned bits) { return (value & bits) == bits; }

}  // namespace

// Returns the highest level of x86-64 that the CPU and the operating system support: 4 (AVX-512),
// 3 (AVX2 and FMA), or 1 for anything less.
SEQSWEEP_EXPORT int seqsweep_cpu_level() {
  unsigned a, b, c, d, extended_c, features_b;
  if (!__get_cpuid(0x80000001, &a, &b, &extended_c, &d) || !__get_cpuid_count(7, 0, &a, &features_b, &c, &d))
    return 1;
  __get_cpuid(1, &a, &b, &c, &d);
  const unsigned basic = bit_SSE4_2 | bit_POPCNT | bit_CMPXCHG16B | bit_OSXSAVE | bit_AVX | bit_FMA | bit_F16C;
  const unsigned v3 = bit_AVX2 | bit_BMI | bit_BMI2;
  if (!has_all(c, basic) || !has_all(features_b, v3) || !has_all(extended_c, bit_LZCNT)) return 1;
  const unsigned saved = saved_registers();
  if (!has_all(saved, 0x06)) return 1;  // the registers of SSE and AVX
  const unsigned v4 = bit_AVX512F | bit_AVX512BW | bit_AVX512CD | bit_AVX512DQ | bit_AVX512VL;
  // AVX-512 has mask registers, the upper halves of 16 vectors, and 16 more vectors.
  return has_all(features_b, v4) && has_all(saved, 0xe6) ? 4 : 3;
}
#else
SEQSWEEP_EXPORT int seqsweep_cpu_level() { return 1; }
#endif
