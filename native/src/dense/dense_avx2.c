/* dense_avx2.c: y = k - 2 * popcount(x ^ w) without a popcount instruction: byte shuffles look counts up.
 *
 * Two ways, chosen per part:
 *
 * 1. Direct, for few rows. Lanes are channels (a line is two vectors of 4 channels); each nibble of x ^ w is looked up.
 *    256 MAC cost 8 operations (xor, 2 and, shift, 2 vpshufb, 2 vpaddb): 32 MAC per operation.
 * 2. Table, from TABLE_ROWS rows. Byte lanes are channels: a panel of 64 channels is rearranged so that one vector
 *    holds the same nibble of 32 channels. For each activation nibble v, the table {popcount(v ^ i)} is loaded and
 *    shuffled by the weights: vpshufb + vpaddb make 4 bits x 32 channels: 64 MAC per operation. Rearranging costs some
 *    6 operations per vector once for the ROWS_BLOCK rows of a block; widening the byte sums, 6 per 96.
 * Limit of the table way: four vector ports with two vpshufb per cycle (Zen): 256 MAC/cycle; three ports (Intel): 192.
 * Bottleneck: those two operations. 16 of them need 10 loads beside them: 2 vectors of weights, and for each of 4 rows
 * an offset and its table. Widening, rearranging and finding the offsets add some 15 %.
 * Exact: bytes hold 3 words of counts (192), 16-bit sums hold one k block (1536), then int32. */
#if defined(__x86_64__)
#include <immintrin.h>

#include "../epilogue/epilogue_avx2.h"

OB_TARGET_BEGIN(OB_TARGET_AVX2)

enum {
    DIRECT_ROWS = 2,           /* rows of a direct tile */
    TABLE_ROWS = 4,            /* from here the table way wins */
    PANEL = 64,                /* channels of a panel */
    FLUSH_WORDS = 3,           /* words whose counts fit a byte: 3 * 64 <= 255 */
    WORD_BYTES = 16 * PANEL,   /* a word of a panel: 16 nibbles of each channel, a byte each */
    K_BLOCK = 8 * FLUSH_WORDS, /* words of a panel: 24 KiB, in L1 */
    TILE_ROWS = 4,
    ROWS_BLOCK = 64, /* rows that share a rearranged panel; their sums are 16 KiB of stack */
};

/* ---- direct ---- */

OB_INLINE __m256i byte_counts(__m256i v_u8x32) {
    const __m256i counts = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 0, 1, 1, 2, 1, 2, 2, 3, 1,
                                            2, 2, 3, 2, 3, 3, 4);
    const __m256i nibble = _mm256_set1_epi8(0x0f);
    const __m256i low = _mm256_shuffle_epi8(counts, _mm256_and_si256(v_u8x32, nibble));
    const __m256i high = _mm256_shuffle_epi8(counts, _mm256_and_si256(_mm256_srli_epi16(v_u8x32, 4), nibble));
    return _mm256_add_epi8(low, high);
}

/* Rows [row, row + rows) x 16 channels. */
OB_INLINE void direct_tile(const ob_dense_job *job, int64_t row, int64_t channel, const int rows) {
    enum { FLUSH = 31, QUARTERS = 4 }; /* 31 * 8 <= 255 */
    const int pair = channel + 8 < job->n;
    const unsigned char *x = job->x + row * job->x_bytes;
    const unsigned char *w[2] = {ob_group(job, channel), ob_group(job, pair ? channel + 8 : channel)};
    __m256i sum_u64x4[DIRECT_ROWS][QUARTERS];
    for (int r = 0; r < rows; r++)
        for (int q = 0; q < QUARTERS; q++) sum_u64x4[r][q] = _mm256_setzero_si256();
    for (int64_t start = 0; start < job->words; start += FLUSH) {
        const int64_t end = job->words - start < FLUSH ? job->words : start + FLUSH;
        __m256i sum_u8x32[DIRECT_ROWS][QUARTERS];
        OB_UNROLL
        for (int r = 0; r < rows; r++) {
            OB_UNROLL
            for (int q = 0; q < QUARTERS; q++) sum_u8x32[r][q] = _mm256_setzero_si256();
        }
        for (int64_t word = start; word < end; word++) {
            OB_UNROLL
            for (int q = 0; q < QUARTERS; q++) {
                const __m256i w_u64x4 = _mm256_loadu_si256((const void *)(w[q / 2] + 64 * word + 32 * (q % 2)));
                OB_UNROLL
                for (int r = 0; r < rows; r++) {
                    const __m256i x_u64x4 = _mm256_set1_epi64x((int64_t)ob_load_u64(x + r * job->x_bytes + 8 * word));
                    const __m256i differ_u8x32 = byte_counts(_mm256_xor_si256(x_u64x4, w_u64x4));
                    sum_u8x32[r][q] = _mm256_add_epi8(sum_u8x32[r][q], differ_u8x32);
                }
            }
        }
        OB_UNROLL
        for (int r = 0; r < rows; r++) {
            OB_UNROLL
            for (int q = 0; q < QUARTERS; q++) {
                const __m256i wide_u64x4 = _mm256_sad_epu8(sum_u8x32[r][q], _mm256_setzero_si256());
                sum_u64x4[r][q] = _mm256_add_epi64(sum_u64x4[r][q], wide_u64x4);
            }
        }
    }
    for (int g = 0; g <= pair; g++) {
        const ob_finish_avx2 finish = ob_finish_load_avx2(job, channel + 8 * g);
        for (int r = 0; r < rows; r++) {
            /* The low halves of 4 + 4 lanes, then the order that shuffle_ps mixed is put right. */
            const __m256 a = _mm256_castsi256_ps(sum_u64x4[r][2 * g]), b = _mm256_castsi256_ps(sum_u64x4[r][2 * g + 1]);
            const __m256i mixed_u32x8 = _mm256_castps_si256(_mm256_shuffle_ps(a, b, 0x88));
            const __m256i differ_u32x8 = _mm256_permute4x64_epi64(mixed_u32x8, 0xd8);
            ob_store_avx2(job, &finish, row + r, channel + 8 * g,
                          _mm256_sub_epi32(_mm256_set1_epi32((int32_t)job->k), _mm256_slli_epi32(differ_u32x8, 1)));
        }
    }
}

static __attribute__((noinline)) void direct_1(const ob_dense_job *job, int64_t row, int64_t channel) {
    direct_tile(job, row, channel, 1);
}
static __attribute__((noinline)) void direct_2(const ob_dense_job *job, int64_t row, int64_t channel) {
    direct_tile(job, row, channel, 2);
}

static void direct(const ob_dense_job *job, int64_t row, int64_t rows, int64_t channel, int64_t end) {
    for (; channel < end; channel += 16) {
        int64_t r = 0;
        for (; r + 2 <= rows; r += 2) direct_2(job, row + r, channel);
        if (r < rows) direct_1(job, row + r, channel);
    }
}

/* ---- table ---- */

#define OB_COUNT(i) (((i) & 1) + ((i) >> 1 & 1) + ((i) >> 2 & 1) + ((i) >> 3 & 1))
#define OB_COUNT4(v, i) OB_COUNT(v ^ i), OB_COUNT(v ^ (i + 1)), OB_COUNT(v ^ (i + 2)), OB_COUNT(v ^ (i + 3))
#define OB_COUNTS(v) {OB_COUNT4(v, 0), OB_COUNT4(v, 4), OB_COUNT4(v, 8), OB_COUNT4(v, 12)}
static const _Alignas(64) unsigned char counts_of[16][16] = {
    OB_COUNTS(0),  OB_COUNTS(1),  OB_COUNTS(2),  OB_COUNTS(3), OB_COUNTS(4),  OB_COUNTS(5),
    OB_COUNTS(6),  OB_COUNTS(7),  OB_COUNTS(8),  OB_COUNTS(9), OB_COUNTS(10), OB_COUNTS(11),
    OB_COUNTS(12), OB_COUNTS(13), OB_COUNTS(14), OB_COUNTS(15)};

/* One word of 32 channels, four lines from `line` on, becomes 16 vectors of 32 nibbles, 64 bytes apart. */
OB_INLINE void rearrange(const unsigned char *line, int64_t line_bytes, unsigned char *to) {
    const __m256i pair_bytes = _mm256_setr_epi8(0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15, 0, 8, 1, 9, 2, 10,
                                                3, 11, 4, 12, 5, 13, 6, 14, 7, 15);
    const __m256i nibble = _mm256_set1_epi8(0x0f);
    __m256i a[8], b[8];
    OB_UNROLL
    for (int i = 0; i < 8; i++) { /* channels 2i, 2i + 1 and 16 + 2i, 17 + 2i: byte pairs, one per 16 bits */
        const unsigned char *from = line + i / 4 * line_bytes + i % 4 * 16;
        a[i] = _mm256_castsi128_si256(_mm_loadu_si128((const void *)from));
        a[i] = _mm256_inserti128_si256(a[i], _mm_loadu_si128((const void *)(from + 2 * line_bytes)), 1);
        a[i] = _mm256_shuffle_epi8(a[i], pair_bytes);
    }
    /* An 8 x 8 transpose of 16-bit units in both halves: afterwards a[j] is byte j of all 32 channels. */
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
        _mm256_store_si256((void *)(to + 128 * j), _mm256_and_si256(b[j], nibble));
        _mm256_store_si256((void *)(to + 128 * j + 64), _mm256_and_si256(_mm256_srli_epi16(b[j], 4), nibble));
    }
}

/* Where the table of each nibble of a word stands: 16 offsets into counts_of, low nibble first. */
OB_INLINE void offsets(const unsigned char *x, unsigned char to[16]) {
    const __m128i word = _mm_loadl_epi64((const void *)x), high_nibble = _mm_set1_epi8((char)0xf0);
    const __m128i low = _mm_and_si128(_mm_slli_epi16(word, 4), high_nibble), high = _mm_and_si128(word, high_nibble);
    _mm_store_si128((void *)to, _mm_unpacklo_epi8(low, high));
}

/* 4 rows x 64 channels x `words` words of a rearranged panel, added to the int32 sums of those rows. */
static __attribute__((noinline)) void table_tile(const unsigned char *x, int64_t x_bytes, int64_t words,
                                                 const unsigned char *panel, int32_t sums[TILE_ROWS][PANEL]) {
    const __m256i zero = _mm256_setzero_si256();
    _Alignas(64) unsigned char at[K_BLOCK][TILE_ROWS][16];
    __m256i sum_u16x16[TILE_ROWS][4];
    for (int64_t word = 0; word < words; word++) {
        OB_UNROLL
        for (int r = 0; r < TILE_ROWS; r++) offsets(x + r * x_bytes + 8 * word, at[word][r]);
    }
    for (int r = 0; r < TILE_ROWS; r++)
        for (int h = 0; h < 4; h++) sum_u16x16[r][h] = zero;
    for (int64_t start = 0; start < words; start += FLUSH_WORDS) {
        const int64_t end = words - start < FLUSH_WORDS ? words : start + FLUSH_WORDS;
        __m256i sum_u8x32[TILE_ROWS][2];
        OB_UNROLL
        for (int r = 0; r < TILE_ROWS; r++) sum_u8x32[r][0] = sum_u8x32[r][1] = zero;
        for (int64_t word = start; word < end; word++, panel += WORD_BYTES) {
            OB_UNROLL
            for (int i = 0; i < 16; i++) {
                const __m256i w0_u8x32 = _mm256_load_si256((const void *)(panel + 64 * i));
                const __m256i w1_u8x32 = _mm256_load_si256((const void *)(panel + 64 * i + 32));
                OB_UNROLL
                for (int r = 0; r < TILE_ROWS; r++) {
                    const unsigned char *counts = counts_of[0] + at[word][r][i];
                    const __m256i t_u8x32 = _mm256_broadcastsi128_si256(_mm_load_si128((const void *)counts));
                    sum_u8x32[r][0] = _mm256_add_epi8(sum_u8x32[r][0], _mm256_shuffle_epi8(t_u8x32, w0_u8x32));
                    sum_u8x32[r][1] = _mm256_add_epi8(sum_u8x32[r][1], _mm256_shuffle_epi8(t_u8x32, w1_u8x32));
                    OB_IN_ORDER(sum_u8x32[r][0]);
                    OB_IN_ORDER(sum_u8x32[r][1]);
                }
            }
        }
        OB_UNROLL
        for (int r = 0; r < TILE_ROWS; r++) {
            OB_UNROLL
            for (int h = 0; h < 4; h++) {
                const __m256i v_u8x32 = sum_u8x32[r][h / 2];
                const __m256i wide_u16x16 =
                    h % 2 ? _mm256_unpackhi_epi8(v_u8x32, zero) : _mm256_unpacklo_epi8(v_u8x32, zero);
                sum_u16x16[r][h] = _mm256_add_epi16(sum_u16x16[r][h], wide_u16x16);
            }
        }
    }
    for (int r = 0; r < TILE_ROWS; r++)
        for (int h = 0; h < 4; h++) { /* half h % 2 of vector h / 2: its 128-bit lanes are 16 channels apart */
            int32_t *low = &sums[r][h / 2 * 32 + h % 2 * 8], *high = low + 16;
            const __m256i low_i32x8 = _mm256_cvtepu16_epi32(_mm256_castsi256_si128(sum_u16x16[r][h]));
            const __m256i high_i32x8 = _mm256_cvtepu16_epi32(_mm256_extracti128_si256(sum_u16x16[r][h], 1));
            _mm256_storeu_si256((void *)low, _mm256_add_epi32(_mm256_loadu_si256((const void *)low), low_i32x8));
            _mm256_storeu_si256((void *)high, _mm256_add_epi32(_mm256_loadu_si256((const void *)high), high_i32x8));
        }
}

/* rows <= ROWS_BLOCK, a multiple of TILE_ROWS, x 64 channels. */
static void table_panel(const ob_dense_job *job, int64_t row, int64_t rows, int64_t channel) {
    _Alignas(64) unsigned char panel[K_BLOCK * WORD_BYTES];
    _Alignas(64) int32_t sums[ROWS_BLOCK][PANEL];
    const unsigned char *lines = ob_group(job, channel);
    const int64_t line_bytes = job->words * 64;
    memset(sums, 0, (size_t)rows * sizeof sums[0]);
    for (int64_t start = 0; start < job->words; start += K_BLOCK) {
        const int64_t words = job->words - start < K_BLOCK ? job->words - start : K_BLOCK;
        for (int64_t w = 0; w < words; w++)
            for (int half = 0; half < 2; half++)
                rearrange(lines + 4 * half * line_bytes + 64 * (start + w), line_bytes,
                          panel + w * WORD_BYTES + 32 * half);
        for (int64_t r = 0; r < rows; r += TILE_ROWS)
            table_tile(job->x + (row + r) * job->x_bytes + 8 * start, job->x_bytes, words, panel, &sums[r]);
    }
    ob_finish_avx2 finish[PANEL / 8];
    for (int g = 0; g < PANEL / 8; g++) finish[g] = ob_finish_load_avx2(job, channel + 8 * g);
    for (int64_t r = 0; r < rows; r++)
        for (int g = 0; g < PANEL / 8; g++) {
            const __m256i differ_i32x8 = _mm256_load_si256((const void *)&sums[r][8 * g]);
            ob_store_avx2(job, &finish[g], row + r, channel + 8 * g,
                          _mm256_sub_epi32(_mm256_set1_epi32((int32_t)job->k), _mm256_slli_epi32(differ_i32x8, 1)));
        }
}

void ob_dense_avx2(const ob_dense_job *job, const ob_dense_part *part) {
    const int64_t end = part->channel + part->channels;
    const int64_t rows = part->rows < TABLE_ROWS ? 0 : part->rows / TILE_ROWS * TILE_ROWS;
    const int64_t panels_end = part->channel + (rows ? part->channels / PANEL * PANEL : 0);
    for (int64_t channel = part->channel; channel < panels_end; channel += PANEL)
        for (int64_t r = 0; r < rows; r += ROWS_BLOCK)
            table_panel(job, part->row + r, rows - r < ROWS_BLOCK ? rows - r : ROWS_BLOCK, channel);
    direct(job, part->row + rows, part->rows - rows, part->channel, panels_end);
    direct(job, part->row, part->rows, panels_end, end);
    ob_clear_tail(job, part);
}

OB_TARGET_END

#endif
