/* peaks.c: loops that do nothing but the multiply-accumulates of one instruction set, as many as this CPU can.
 *
 * Independent sums, so that latency does not count; operands in registers, so that memory does not count. KEEP changes
 * nothing, but the compiler must believe that it does: it can neither take a result from the last round, nor add the
 * rounds up in advance, nor find two sums equal. Each loop is what its instruction set needs at least for one step of a
 * 1-bit product:
 *   popcount_avx512vpopcnt  2 vpxorq, vpternlogq, vpopcntq, vpaddq         1024 MAC: see dense/dense_avx512vpopcnt.c
 *   plain_avx512vpopcnt     vpxorq, vpopcntq, vpaddq                        512 MAC: few rows, convolutions
 *   popcount_avx512bw       3 vpshufb, 4 vpaddb, vpsrlw                    1536 MAC: see pair_table/generic.h
 *   popcount_avx2           the same                                        768 MAC
 *   popcount_scalar         xor, popcnt, add                                 64 MAC
 * or of an int8 or float product. memory_read streams a block that no cache holds. */
#define _DEFAULT_SOURCE
#include <string.h>

#include "../cpu.h"
#include "../target.h"
#include "probes.h"

#define KEEP(v) __asm__ volatile("" : "+v"(v))
#define NEEDED(v) __asm__ volatile("" ::"v"(v))

/* `rounds` times `count` independent steps; in a step, `sum` is its own sum. */
#define REPEAT(type, count, start, step)               \
    type sums[count];                                  \
    OB_UNROLL                                          \
    for (int i = 0; i < (count); i++) sums[i] = start; \
    for (int64_t round = 0; round < rounds; round++) { \
        OB_UNROLL                                      \
        for (int i = 0; i < (count); i++) {            \
            type sum = sums[i];                        \
            step;                                      \
            KEEP(sum);                                 \
            sums[i] = sum;                             \
        }                                              \
    }                                                  \
    OB_UNROLL                                          \
    for (int i = 0; i < (count); i++) NEEDED(sums[i])

#if defined(__x86_64__)
#include <immintrin.h>

OB_TARGET_BEGIN("popcnt")
static void popcount_scalar(int64_t rounds) {
    uint64_t a = 0x5a5a12345678aaaa, b = 0x0f0f87654321cccc, sums[8] = {0};
    for (int64_t round = 0; round < rounds; round++) {
        OB_UNROLL
        for (int i = 0; i < 8; i++) {
            __asm__ volatile("" : "+r"(a));
            sums[i] += (uint64_t)__builtin_popcountll(a ^ b);
            __asm__ volatile("" : "+r"(sums[i]));
        }
    }
}
OB_TARGET_END

OB_TARGET_BEGIN("avx2,fma")
static void popcount_avx2(int64_t rounds) {
    __m256i table = _mm256_set1_epi8(3), a = _mm256_set1_epi8(5), total[4], shifted[4];
    for (int i = 0; i < 4; i++) total[i] = shifted[i] = _mm256_setzero_si256();
    for (int64_t round = 0; round < rounds; round++) {
        OB_UNROLL
        for (int i = 0; i < 4; i++) {
            __m256i looked_up[3];
            OB_UNROLL
            for (int j = 0; j < 3; j++) {
                KEEP(a);
                looked_up[j] = _mm256_shuffle_epi8(table, a);
            }
            const __m256i u = _mm256_add_epi8(looked_up[0], _mm256_add_epi8(looked_up[1], looked_up[2]));
            total[i] = _mm256_add_epi8(total[i], u);
            shifted[i] = _mm256_add_epi8(shifted[i], _mm256_srli_epi16(u, 4));
            KEEP(total[i]);
            KEEP(shifted[i]);
        }
    }
    for (int i = 0; i < 4; i++) {
        NEEDED(total[i]);
        NEEDED(shifted[i]);
    }
}

static void fp32_avx2(int64_t rounds) {
    __m256 a = _mm256_set1_ps(1), b = _mm256_set1_ps(1);
    REPEAT(__m256, 12, _mm256_setzero_ps(), sum = _mm256_fmadd_ps(a, b, sum));
}
OB_TARGET_END

OB_TARGET_BEGIN("avx2,avxvnni")
static void int8_avxvnni(int64_t rounds) {
    __m256i a = _mm256_set1_epi8(1), b = _mm256_set1_epi8(1);
    REPEAT(__m256i, 12, _mm256_setzero_si256(), sum = _mm256_dpbusd_avx_epi32(sum, a, b));
}
OB_TARGET_END

OB_TARGET_BEGIN(OB_TARGET_AVX512VPOPCNT)
static void popcount_avx512vpopcnt(int64_t rounds) {
    __m512i x = _mm512_set1_epi64(0x5a5a12345678aaaa), w = _mm512_set1_epi64(0x0f0f87654321cccc);
    __m512i digit[12], sum[12];
    OB_UNROLL
    for (int i = 0; i < 12; i++) sum[i] = _mm512_setzero_si512(), digit[i] = x;
    for (int64_t round = 0; round < rounds; round++) {
        OB_UNROLL
        for (int i = 0; i < 12; i++) {
            KEEP(x);
            const __m512i between = _mm512_xor_si512(x, w);
            KEEP(x);
            const __m512i after = _mm512_xor_si512(x, w);
            const __m512i carry = _mm512_ternarylogic_epi64(digit[i], between, after, 0x74);
            digit[i] = after;
            sum[i] = _mm512_add_epi64(sum[i], _mm512_popcnt_epi64(carry));
            KEEP(sum[i]);
        }
    }
    OB_UNROLL
    for (int i = 0; i < 12; i++) {
        NEEDED(digit[i]);
        NEEDED(sum[i]);
    }
}

static void plain_avx512vpopcnt(int64_t rounds) {
    __m512i a = _mm512_set1_epi64(0x5a5a12345678aaaa), b = _mm512_set1_epi64(0x0f0f87654321cccc);
    REPEAT(__m512i, 24, _mm512_setzero_si512(), KEEP(a);
           sum = _mm512_add_epi64(sum, _mm512_popcnt_epi64(_mm512_xor_si512(a, b))));
}

static void popcount_avx512bw(int64_t rounds) {
    __m512i table = _mm512_set1_epi8(3), a = _mm512_set1_epi8(5), total[4], shifted[4];
    for (int i = 0; i < 4; i++) total[i] = shifted[i] = _mm512_setzero_si512();
    for (int64_t round = 0; round < rounds; round++) {
        OB_UNROLL
        for (int i = 0; i < 4; i++) {
            __m512i looked_up[3];
            OB_UNROLL
            for (int j = 0; j < 3; j++) {
                KEEP(a);
                looked_up[j] = _mm512_shuffle_epi8(table, a);
            }
            const __m512i u = _mm512_add_epi8(looked_up[0], _mm512_add_epi8(looked_up[1], looked_up[2]));
            total[i] = _mm512_add_epi8(total[i], u);
            shifted[i] = _mm512_add_epi8(shifted[i], _mm512_srli_epi16(u, 4));
            KEEP(total[i]);
            KEEP(shifted[i]);
        }
    }
    for (int i = 0; i < 4; i++) {
        NEEDED(total[i]);
        NEEDED(shifted[i]);
    }
}

static void fp32_avx512(int64_t rounds) {
    __m512 a = _mm512_set1_ps(1), b = _mm512_set1_ps(1);
    REPEAT(__m512, 24, _mm512_setzero_ps(), sum = _mm512_fmadd_ps(a, b, sum));
}

static void int8_avx512vnni(int64_t rounds) {
    __m512i a = _mm512_set1_epi8(1), b = _mm512_set1_epi8(1);
    REPEAT(__m512i, 24, _mm512_setzero_si512(), sum = _mm512_dpbusd_epi32(sum, a, b));
}
OB_TARGET_END

#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>

/* Linux gives a process the tile registers when it asks for them (ARCH_REQ_XCOMP_PERM, XTILEDATA). */
static int amx_permitted(void) {
    return syscall(SYS_arch_prctl, 0x1023, 18) == 0;
}
#else
static int amx_permitted(void) {
    return 0;
}
#endif

OB_TARGET_BEGIN("amx-tile,amx-int8")
/* Four products of 16 x 64 by 64 x 16, each into its own tile. */
static void int8_amx(int64_t rounds) {
    static const unsigned char ones[1024] = {1, 1, 1, 1};
    struct {
        uint8_t palette, start, reserved[14];
        uint16_t bytes[16];
        uint8_t rows[16];
    } config = {.palette = 1};
    for (int i = 0; i < 8; i++) config.bytes[i] = 64, config.rows[i] = 16;
    _tile_loadconfig(&config);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    _tile_loadd(4, ones, 64);
    _tile_loadd(5, ones, 64);
    _tile_loadd(6, ones, 64);
    _tile_loadd(7, ones, 64);
    for (int64_t round = 0; round < rounds; round++) {
        _tile_dpbssd(0, 4, 6);
        _tile_dpbssd(1, 4, 7);
        _tile_dpbssd(2, 5, 6);
        _tile_dpbssd(3, 5, 7);
    }
    _tile_release();
}
OB_TARGET_END
#endif

/* name, the features it needs as the operating system's and the CPU's bits and as text, work of one round, loop */
typedef struct peak {
    const char *name, *text;
    uint32_t needs;
    double work;
    void (*loop)(int64_t rounds);
} peak;

static const peak peaks[] = {
#if defined(__x86_64__)
    {"popcount_avx512vpopcnt", "avx512f avx512vpopcntdq", OB_NEEDS_AVX512VPOPCNT, 12 * 1024, popcount_avx512vpopcnt},
    {"plain_avx512vpopcnt", "avx512f avx512vpopcntdq", OB_NEEDS_AVX512VPOPCNT, 24 * 512, plain_avx512vpopcnt},
    {"popcount_avx512bw", "avx512f avx512bw", OB_CPU_AVX512F | OB_CPU_AVX512BW, 4 * 1536, popcount_avx512bw},
    {"popcount_avx2", "avx2", OB_CPU_AVX2, 4 * 768, popcount_avx2},
    {"popcount_scalar", "popcnt", 0, 8 * 64, popcount_scalar},
    {"int8_amx", "amxtile amxint8", OB_CPU_AMXTILE | OB_CPU_AMXINT8, 4 * 16 * 16 * 64, int8_amx},
    {"int8_avx512vnni", "avx512f avx512vnni", OB_CPU_AVX512F | OB_CPU_AVX512VNNI, 24 * 64, int8_avx512vnni},
    {"int8_avxvnni", "avxvnni", OB_CPU_AVXVNNI, 12 * 32, int8_avxvnni},
    {"fp32_avx512", "avx512f", OB_CPU_AVX512F, 24 * 16, fp32_avx512},
    {"fp32_avx2", "avx2 fma", OB_CPU_AVX2 | OB_CPU_FMA, 12 * 8, fp32_avx2},
#endif
    {"memory_read", "", 0, 0, NULL},
};
enum { PEAKS = sizeof peaks / sizeof *peaks };

static int available(const peak *p) {
    if ((ob_cpu() & p->needs) != p->needs) return 0;
#if defined(__x86_64__)
    if (p->loop == int8_amx) return amx_permitted();
    if (p->loop == popcount_scalar) return __builtin_cpu_supports("popcnt") != 0;
#endif
    return 1;
}

static double timed(void (*loop)(int64_t rounds), int64_t rounds) {
    const double start = ob_thread_seconds();
    loop(rounds);
    return ob_thread_seconds() - start;
}

static double rate(const peak *p) {
    const double trial = 0.003, whole = 0.02;
    int64_t rounds = 1000;
    double elapsed;
    while ((elapsed = timed(p->loop, rounds)) < trial) rounds *= 2;
    rounds = (int64_t)((double)rounds * whole / elapsed) + 1;
    return p->work * (double)rounds / timed(p->loop, rounds);
}

ob_status ob_peak_list(int32_t row, ob_peak_row *out) {
    if (!out) return OB_ERROR_NULL;
    if (row < 0 || row >= PEAKS) return OB_ERROR_SIZE;
    *out = (ob_peak_row){peaks[row].name, peaks[row].text, available(&peaks[row])};
    return OB_OK;
}

ob_status ob_peak(const char *name, double *per_second) {
    if (!name || !per_second) return OB_ERROR_NULL;
    for (const peak *p = peaks; p < peaks + PEAKS; p++) {
        if (strcmp(p->name, name) != 0) continue;
        if (!available(p)) return OB_ERROR_ISA_ABSENT;
        if (!p->loop) return ob_memory_read(per_second);
        *per_second = rate(p);
        return OB_OK;
    }
    return OB_ERROR_ISA_UNKNOWN;
}
