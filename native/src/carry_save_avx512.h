/* carry_save_avx512.h: counts of x ^ w for one row and two lines of channels, without a popcount instruction.
 *
 * Words are added bit by bit (Harley and Seal): `digit` holds, for each of 512 bit positions, the binary digits of the
 * count so far. With the ternary operation a full adder takes 2 operations. The lowest digit is cheaper: it is the
 * exclusive or of all words so far, and because that is linear, x and w come as running exclusive ors: e = x ^ w, 1
 * operation per word and no chain of operations that wait for each other. The carry of two words follows from e
 * before, between and after them: e ? ~(e' & e'') : e' & ~e'', 1 operation. Of 16 words comes one carry of weight 16,
 * whose bits are looked up by nibbles and summed in bytes.
 * Cost of 16 words of 8 channels: 16 + 8 for the lowest digit, 2 * (4 + 2 + 1) for the others, 7 to count: 45
 * operations for 8192 MAC, 182 MAC per operation. The last digits and words cost some 35 operations more, once. */
#ifndef ONEBIT_CARRY_SAVE_AVX512_H
#define ONEBIT_CARRY_SAVE_AVX512_H

#if defined(__x86_64__)
#include <immintrin.h>

#include "kernels.h"
#include "target.h"

OB_TARGET_BEGIN(OB_TARGET_AVX512BW)

enum {
    OB_COUNTER_LINES = 2,
    OB_COUNTER_DIGITS = 4,
    OB_COUNTER_WORDS = 1 << OB_COUNTER_DIGITS,
    OB_COUNTER_BLOCKS = 31, /* blocks of 16 words until bytes must be widened: 31 * 8 <= 255 */
};

/* The count of 8 lanes of 64 bits. */
typedef struct ob_counter {
    __m512i digit[OB_COUNTER_DIGITS]; /* of weight 1, 2, 4 and 8 */
    __m512i carries_u8x64;            /* of weight 16, per byte */
    __m512i rest_u8x64;               /* what the last words carried, per byte */
} ob_counter;

/* Where the words of OB_COUNTER_LINES lines of weights stand: word i of line g is line_bytes * g + word_bytes * i bytes
 * behind the start. */
typedef struct ob_counted_lines {
    const unsigned char *start;
    int64_t line_bytes, word_bytes;
} ob_counted_lines;

/* The bits 1 of each byte, times `weight`. */
OB_INLINE __m512i ob_byte_counts_avx512(__m512i v_u8x64, const int weight) {
    const char a = (char)weight, b = (char)(2 * weight), c = (char)(3 * weight), d = (char)(4 * weight);
    const __m512i counts_u8x64 = _mm512_broadcast_i32x4(_mm_setr_epi8(0, a, a, b, a, b, b, c, a, b, b, c, b, c, c, d));
    const __m512i nibble = _mm512_set1_epi8(0x0f);
    const __m512i low = _mm512_shuffle_epi8(counts_u8x64, _mm512_and_si512(v_u8x64, nibble));
    const __m512i high = _mm512_shuffle_epi8(counts_u8x64, _mm512_and_si512(_mm512_srli_epi16(v_u8x64, 4), nibble));
    return _mm512_add_epi8(low, high);
}

/* digit + a + b: the digit is replaced, the carry returned. */
OB_INLINE __m512i ob_full_add(__m512i *digit, __m512i a, __m512i b) {
    const __m512i carry = _mm512_ternarylogic_epi64(*digit, a, b, 0xe8); /* the majority */
    *digit = _mm512_ternarylogic_epi64(*digit, a, b, 0x96);
    return carry;
}

/* The lowest digit after one more word; running: x and w are running exclusive ors, whose exclusive or it is. */
OB_INLINE __m512i ob_lowest_digit(__m512i before, const unsigned char *x, const unsigned char *w, const int running) {
    const __m512i x_u64x8 = _mm512_set1_epi64((int64_t)ob_load_u64(x)), w_u64x8 = _mm512_loadu_si512(w);
    return running ? _mm512_xor_si512(x_u64x8, w_u64x8) : _mm512_ternarylogic_epi64(before, x_u64x8, w_u64x8, 0x96);
}

/* Adds `count` words (1, 2, 4, 8 or 16) from `word` on. */
OB_INLINE void ob_count_words(ob_counter counter[OB_COUNTER_LINES], const unsigned char *x, const ob_counted_lines *w,
                              int64_t word, const int count, const int running) {
    __m512i waiting[OB_COUNTER_LINES][OB_COUNTER_DIGITS];
    OB_UNROLL
    for (int i = 0; i < count; i += 2) {
        const unsigned char *const from = x + 8 * (word + i);
        OB_UNROLL
        for (int g = 0; g < OB_COUNTER_LINES; g++) {
            ob_counter *const c = &counter[g];
            const unsigned char *const line = w->start + w->line_bytes * g + w->word_bytes * (word + i);
            const __m512i before = c->digit[0], between = ob_lowest_digit(before, from, line, running);
            const __m512i after =
                count > 1 ? ob_lowest_digit(between, from + 8, line + w->word_bytes, running) : between;
            __m512i carry = _mm512_ternarylogic_epi64(before, between, after, 0x74);
            c->digit[0] = after;
            OB_UNROLL
            for (int d = 1; d < OB_COUNTER_DIGITS; d++) /* up, as far as pairs are complete */
                if ((i + 2) % (2 << d) == 0) carry = ob_full_add(&c->digit[d], waiting[g][d], carry);
            OB_UNROLL
            for (int d = 1; d < OB_COUNTER_DIGITS; d++)
                if ((i + 2) % (2 << d) == 1 << d) waiting[g][d] = carry;
            if (i + 2 < count) continue;
            if (count == OB_COUNTER_WORDS)
                c->carries_u8x64 = _mm512_add_epi8(c->carries_u8x64, ob_byte_counts_avx512(carry, 1));
            else
                c->rest_u8x64 = _mm512_add_epi8(c->rest_u8x64, ob_byte_counts_avx512(carry, count == 1 ? 2 : count));
        }
    }
}

/* The counts of `words` words, 8 channels in each result: two lines. */
OB_INLINE void ob_count_row(const unsigned char *x, const ob_counted_lines *w, int64_t words,
                            __m512i sum_u64x8[OB_COUNTER_LINES], const int running) {
    const __m512i zero = _mm512_setzero_si512();
    ob_counter counter[OB_COUNTER_LINES];
    OB_UNROLL
    for (int g = 0; g < OB_COUNTER_LINES; g++) {
        sum_u64x8[g] = counter[g].carries_u8x64 = counter[g].rest_u8x64 = zero;
        OB_UNROLL
        for (int d = 0; d < OB_COUNTER_DIGITS; d++) counter[g].digit[d] = zero;
    }
    int64_t word = 0;
    while (words - word >= OB_COUNTER_WORDS) {
        const int64_t blocks = (words - word) / OB_COUNTER_WORDS;
        const int64_t end = word + OB_COUNTER_WORDS * (blocks < OB_COUNTER_BLOCKS ? blocks : OB_COUNTER_BLOCKS);
        OB_NO_UNROLL
        for (; word < end; word += OB_COUNTER_WORDS) ob_count_words(counter, x, w, word, OB_COUNTER_WORDS, running);
        OB_UNROLL
        for (int g = 0; g < OB_COUNTER_LINES; g++) {
            sum_u64x8[g] = _mm512_add_epi64(sum_u64x8[g], _mm512_sad_epu8(counter[g].carries_u8x64, zero));
            counter[g].carries_u8x64 = zero;
        }
    }
    if (words & 8) ob_count_words(counter, x, w, word, 8, running);
    if (words & 4) ob_count_words(counter, x, w, word + (words & 8), 4, running);
    if (words & 2) ob_count_words(counter, x, w, word + (words & 12), 2, running);
    if (words & 1) ob_count_words(counter, x, w, word + (words & 14), 1, running);
    OB_UNROLL
    for (int g = 0; g < OB_COUNTER_LINES; g++) {
        __m512i last_u8x64 = counter[g].rest_u8x64; /* at most 8 * (2 + 2 + 4 + 8), and 8 * 15 are added */
        OB_UNROLL
        for (int d = 0; d < OB_COUNTER_DIGITS; d++)
            last_u8x64 = _mm512_add_epi8(last_u8x64, ob_byte_counts_avx512(counter[g].digit[d], 1 << d));
        const __m512i last_u64x8 = _mm512_sad_epu8(last_u8x64, zero);
        sum_u64x8[g] = _mm512_add_epi64(_mm512_slli_epi64(sum_u64x8[g], OB_COUNTER_DIGITS), last_u64x8);
    }
}

OB_TARGET_END

#endif
#endif
