/* popcount_peak.c: how many 1-bit multiply-accumulates per second one core of this CPU can do by xor, popcount, add.
 *
 *     cc -O3 -march=native -shared -fPIC -o popcount_peak.so popcount_peak.c       (benchmarks/dense.py does it)
 *
 * 24 independent sums, so that latency does not count; operands in registers, so that memory does not count. The
 * assembly barriers change nothing, but the compiler must believe that they do: it can neither keep the popcount of an
 * operand from the last round nor add the rounds up in advance. With AVX-512 VPOPCNTDQ one step is 512 MAC, otherwise
 * 64 with the scalar popcount instruction. */
#include <stdint.h>
#include <string.h>
#include <time.h>

enum { SUMS = 24 };

#if defined(__AVX512VPOPCNTDQ__)
#include <immintrin.h>
typedef __m512i word;
#define STEP_MACS 512.0
#define POPCOUNT(v) _mm512_popcnt_epi64(v)
#define XOR(a, b) _mm512_xor_si512(a, b)
#define ADD(a, b) _mm512_add_epi64(a, b)
#define SET(v) _mm512_set1_epi64(v)
#define KEEP(v) __asm__ volatile("" : "+v"(v))
#else
typedef uint64_t word;
#define STEP_MACS 64.0
#define POPCOUNT(v) ((uint64_t)__builtin_popcountll(v))
#define XOR(a, b) ((a) ^ (b))
#define ADD(a, b) ((a) + (b))
#define SET(v) ((uint64_t)(v))
#define KEEP(v) __asm__ volatile("" : "+r"(v))
#endif

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* TMAC/s of one core, in the thread's own processor time, over some `rounds` x 24 steps; the sums go to `sink` so that
 * they are needed. */
__attribute__((visibility("default"))) double popcount_peak(int64_t rounds, uint64_t *sink) {
    word sums[SUMS], a = SET(0x5a5a12345678aaaa), b = SET(0x0f0f87654321cccc);
    for (int i = 0; i < SUMS; i++) sums[i] = SET(i);
    const double start = seconds();
    for (int64_t round = 0; round < rounds; round++) {
#pragma GCC unroll 24
        for (int i = 0; i < SUMS; i++) {
            KEEP(a);
            sums[i] = ADD(sums[i], POPCOUNT(XOR(a, b)));
        }
    }
    const double elapsed = seconds() - start;
    for (int i = 1; i < SUMS; i++) sums[0] = ADD(sums[0], sums[i]);
    memcpy(sink, &sums[0], sizeof *sink);
    return (double)rounds * SUMS * STEP_MACS / elapsed / 1e12;
}
