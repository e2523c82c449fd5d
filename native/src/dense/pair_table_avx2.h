/* pair_table_avx2.h: counts of x ^ w for two rows at a time, looked up by byte shuffles.
 *
 * Byte lanes are channels: a panel of the weights is rearranged so that one vector holds the same nibble of 32
 * channels. The nibbles a and b that two rows have there choose the table {popcount(a ^ i) + 16 * popcount(b ^ i)}, and
 * one vpshufb looks up 4 bits x 32 channels x 2 rows. Three such bytes add up to u = A + 16 * B, A and B at most 12.
 * Then  total += u  modulo 256, and  high += u >> 4 & 15  is the sum of B; that of A is total - 16 * high, modulo 256,
 * and exact as long as it is below 256: 16 times three nibbles, 192.
 * Cost of 768 MAC: 3 vpshufb, 3 vpaddb, vpsrlw, vpand, vpaddb = 9 operations: 85 MAC per operation. */
#ifndef ONEBIT_PAIR_TABLE_AVX2_H
#define ONEBIT_PAIR_TABLE_AVX2_H

#if defined(__x86_64__)
#include <immintrin.h>

#include "../kernels.h"
#include "../target.h"

OB_TARGET_BEGIN(OB_TARGET_AVX2)

enum {
    PANEL = 128,       /* channels that are rearranged at once */
    STRIP = 64,        /* channels of a tile */
    TILE_ROWS = 4,     /* two pairs */
    K_BLOCK = 9,       /* words of a panel: 18 KiB, in L1 */
    GROUP = 3,         /* nibbles whose counts fit half a byte: 3 * 4 <= 15 */
    FLUSH_GROUPS = 16, /* groups whose counts fit a byte: 16 * 12 <= 255 */
    K_BLOCK_NIBBLES = 16 * K_BLOCK,
    LONGEST = 65535 / 64 / K_BLOCK * K_BLOCK, /* words whose counts fit 16 bits */
};

/* For 32 channels of two rows: 16-bit sums of the even channels plus 256 times the odd ones, and of the odd ones. */
typedef struct pair_sums {
    __m256i all_u16x16[2], odd_u16x16[2]; /* [row] */
} pair_sums;

#define OB_COUNT(i) (((i) & 1) + ((i) >> 1 & 1) + ((i) >> 2 & 1) + ((i) >> 3 & 1))
#define OB_ENTRY(v, i) (unsigned char)(OB_COUNT(((v) & 15) ^ (i)) + 16 * OB_COUNT(((v) >> 4) ^ (i)))
#define OB_ENTRY4(v, i) OB_ENTRY(v, i), OB_ENTRY(v, i + 1), OB_ENTRY(v, i + 2), OB_ENTRY(v, i + 3)
#define OB_TABLE(v) {OB_ENTRY4(v, 0), OB_ENTRY4(v, 4), OB_ENTRY4(v, 8), OB_ENTRY4(v, 12)}
#define OB_TABLE4(v) OB_TABLE(v), OB_TABLE(v + 1), OB_TABLE(v + 2), OB_TABLE(v + 3)
#define OB_TABLE16(v) OB_TABLE4(v), OB_TABLE4(v + 4), OB_TABLE4(v + 8), OB_TABLE4(v + 12)
#define OB_TABLE64(v) OB_TABLE16(v), OB_TABLE16(v + 16), OB_TABLE16(v + 32), OB_TABLE16(v + 48)
/* pair_counts[a + 16 * b] */
static const _Alignas(64) unsigned char pair_counts[256][16] = {OB_TABLE64(0), OB_TABLE64(64), OB_TABLE64(128),
                                                                OB_TABLE64(192)};

/* One word of 32 channels, that of lines line[0..3], becomes 16 vectors of 32 nibbles, PANEL bytes apart. */
OB_INLINE void rearrange(const unsigned char *const line[4], int64_t at, unsigned char *to) {
    const __m256i pair_bytes = _mm256_setr_epi8(0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15, 0, 8, 1, 9, 2, 10,
                                                3, 11, 4, 12, 5, 13, 6, 14, 7, 15);
    const __m256i nibble = _mm256_set1_epi8(0x0f);
    __m256i a[8], b[8];
    OB_UNROLL
    for (int i = 0; i < 8; i++) { /* channels 2i, 2i + 1 and 16 + 2i, 17 + 2i: byte pairs, one per 16 bits */
        const void *const low = line[i / 4] + at + i % 4 * 16, *const high = line[i / 4 + 2] + at + i % 4 * 16;
        a[i] = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(low)), _mm_loadu_si128(high), 1);
        a[i] = _mm256_shuffle_epi8(a[i], pair_bytes);
    }
    /* An 8 x 8 transpose of 16-bit units in both halves: afterwards b[j] is byte j of all 32 channels. */
    OB_UNROLL
    for (int i = 0; i < 4; i++) {
        b[i] = _mm256_unpacklo_epi16(a[2 * i], a[2 * i + 1]), b[i + 4] = _mm256_unpackhi_epi16(a[2 * i], a[2 * i + 1]);
    }
    OB_UNROLL
    for (int h = 0; h < 8; h += 4) {
        OB_UNROLL
        for (int i = 0; i < 2; i++) {
            a[h + i] = _mm256_unpacklo_epi32(b[h + 2 * i], b[h + 2 * i + 1]);
            a[h + 2 + i] = _mm256_unpackhi_epi32(b[h + 2 * i], b[h + 2 * i + 1]);
        }
    }
    OB_UNROLL
    for (int q = 0; q < 8; q += 2) {
        b[q] = _mm256_unpacklo_epi64(a[q], a[q + 1]), b[q + 1] = _mm256_unpackhi_epi64(a[q], a[q + 1]);
    }
    OB_UNROLL
    for (int j = 0; j < 8; j++) {
        _mm256_store_si256((void *)(to + 2 * PANEL * j), _mm256_and_si256(b[j], nibble));
        _mm256_store_si256((void *)(to + 2 * PANEL * j + PANEL), _mm256_and_si256(_mm256_srli_epi16(b[j], 4), nibble));
    }
}

/* Where the tables of the nibbles of 1 or 2 words of two rows stand: offsets into pair_counts, low nibble first. */
OB_INLINE void find_tables(__m128i a_u8x16, __m128i b_u8x16, uint16_t *to, const int words) {
    const __m128i low_nibble = _mm_set1_epi8(0x0f), high_nibble = _mm_set1_epi8((char)0xf0);
    const __m128i a_low = _mm_and_si128(a_u8x16, low_nibble), b_low = _mm_and_si128(b_u8x16, low_nibble);
    const __m128i a_high = _mm_and_si128(a_u8x16, high_nibble), b_high = _mm_and_si128(b_u8x16, high_nibble);
    const __m128i low_u8x16 = _mm_or_si128(a_low, _mm_slli_epi16(b_low, 4));
    const __m128i high_u8x16 = _mm_or_si128(_mm_srli_epi16(a_high, 4), b_high);
    const __m256i first_u16x16 = _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(low_u8x16, high_u8x16));
    _mm256_store_si256((void *)to, _mm256_slli_epi16(first_u16x16, 4));
    if (words == 1) return;
    const __m256i second_u16x16 = _mm256_cvtepu8_epi16(_mm_unpackhi_epi8(low_u8x16, high_u8x16));
    _mm256_store_si256((void *)(to + 16), _mm256_slli_epi16(second_u16x16, 4));
}

OB_INLINE void find_row_tables(const unsigned char *a, const unsigned char *b, int64_t words, uint16_t *to) {
    for (; words >= 2; words -= 2, a += 16, b += 16, to += 32)
        find_tables(_mm_loadu_si128((const void *)a), _mm_loadu_si128((const void *)b), to, 2);
    if (words) find_tables(_mm_loadl_epi64((const void *)a), _mm_loadl_epi64((const void *)b), to, 1);
}

/* Adds the bytes of up to FLUSH_GROUPS groups to the 16-bit sums. */
OB_INLINE void flush(pair_sums *sums, __m256i total_u8x32, __m256i high_u8x32) {
    const __m256i high_nibble = _mm256_set1_epi8((char)0xf0);
    const __m256i high_16 = _mm256_and_si256(_mm256_slli_epi16(high_u8x32, 4), high_nibble);
    const __m256i rows_u8x32[2] = {_mm256_sub_epi8(total_u8x32, high_16), high_u8x32};
    OB_UNROLL
    for (int row = 0; row < 2; row++) {
        sums->all_u16x16[row] = _mm256_add_epi16(sums->all_u16x16[row], rows_u8x32[row]);
        sums->odd_u16x16[row] = _mm256_add_epi16(sums->odd_u16x16[row], _mm256_srli_epi16(rows_u8x32[row], 8));
    }
}

/* 4 rows x 32 * vectors channels x 3 * groups nibbles. at: the tables of the two pairs; sums: [pair][vector]. */
OB_INLINE void pair_tile(const uint16_t *at_0, const uint16_t *at_1, int64_t groups, const unsigned char *panel,
                         pair_sums *sums_0, pair_sums *sums_1, const int vectors) {
    const __m256i nibble = _mm256_set1_epi8(0x0f);
    for (; groups > 0; groups -= FLUSH_GROUPS) {
        __m256i total_u8x32[2][2], high_u8x32[2][2];
        OB_UNROLL
        for (int i = 0; i < 4; i++) total_u8x32[i / 2][i % 2] = high_u8x32[i / 2][i % 2] = _mm256_setzero_si256();
        const int64_t now = groups < FLUSH_GROUPS ? groups : FLUSH_GROUPS;
        OB_UNROLL_BY_4
        for (int64_t g = 0; g < now; g++, at_0 += GROUP, at_1 += GROUP, panel += GROUP * PANEL) {
            __m256i u_u8x32[2][2];
            OB_UNROLL
            for (int i = 0; i < GROUP; i++) {
                const unsigned char *const table[2] = {pair_counts[0] + at_0[i], pair_counts[0] + at_1[i]};
                __m256i w_u8x32[2];
                OB_UNROLL
                for (int v = 0; v < vectors; v++) {
                    w_u8x32[v] = _mm256_load_si256((const void *)(panel + PANEL * i + 32 * v));
                }
                OB_UNROLL
                for (int p = 0; p < 2; p++) {
                    const __m256i t_u8x32 = _mm256_broadcastsi128_si256(_mm_load_si128((const void *)table[p]));
                    OB_UNROLL
                    for (int v = 0; v < vectors; v++) {
                        const __m256i looked_up_u8x32 = _mm256_shuffle_epi8(t_u8x32, w_u8x32[v]);
                        u_u8x32[p][v] = i ? _mm256_add_epi8(u_u8x32[p][v], looked_up_u8x32) : looked_up_u8x32;
                        OB_IN_ORDER(u_u8x32[p][v]);
                    }
                }
            }
            OB_UNROLL
            for (int p = 0; p < 2; p++) {
                OB_UNROLL
                for (int v = 0; v < vectors; v++) {
                    const __m256i high = _mm256_and_si256(_mm256_srli_epi16(u_u8x32[p][v], 4), nibble);
                    total_u8x32[p][v] = _mm256_add_epi8(total_u8x32[p][v], u_u8x32[p][v]);
                    high_u8x32[p][v] = _mm256_add_epi8(high_u8x32[p][v], high);
                }
            }
        }
        OB_UNROLL
        for (int v = 0; v < vectors; v++) {
            flush(&sums_0[v], total_u8x32[0][v], high_u8x32[0][v]);
            flush(&sums_1[v], total_u8x32[1][v], high_u8x32[1][v]);
        }
    }
}

OB_TARGET_END

#endif
#endif
