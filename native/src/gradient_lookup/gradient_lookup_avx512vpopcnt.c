/* gradient_lookup_avx512vpopcnt.c: a table is a vector of 32 sums, and vpermw looks 32 channels up in it at once.
 *
 * Cost of 6 rows x 128 channels x 5 terms, 3,840 MAC: 24 vpermw, 24 vpaddw, 6 loads of tables, 4 of indices.
 * Limit: four vector instructions per cycle = 320 MAC/cycle (Zen 5), where vpdpbusd makes 128; 85 % of it are reached
 * with everything in the first cache. */
#if defined(__x86_64__)
#include "../cpu.h"
#include "../target.h"

#define OB_VNNI
OB_TARGET_BEGIN(OB_TARGET_AVX512VPOPCNT)
#include "../sign_gradients/product_avx512.h"

/* Which of its five terms each of the 32 sums has, as pairs of bytes: terms 0, 1 in even sums and 2, 3 in odd ones, as
 * a quad that is broadcast meets them, and the other way round for a quad turned by half. */
#define BITS(i, k) (i) >> (k) & 1, (i) >> ((k) + 1) & 1
#define FOUR(i, low, high) BITS(i, low), BITS(i + 1, high), BITS(i + 2, low), BITS(i + 3, high)
#define ALL(low, high)                                                                   \
    {FOUR(0, low, high),  FOUR(4, low, high),  FOUR(8, low, high),  FOUR(12, low, high), \
     FOUR(16, low, high), FOUR(20, low, high), FOUR(24, low, high), FOUR(28, low, high)}
_Alignas(64) static const unsigned char of_quad[64] = ALL(0, 2), of_turned[64] = ALL(2, 0);
enum { WITH_FIFTH = (int)0xffff0000u, ODD = (int)0xaaaaaaaau }; /* sums */

OB_INLINE __m512i load_quad(const unsigned char *from) {
    int32_t quad;
    memcpy(&quad, from, sizeof quad);
    return _mm512_set1_epi32(quad);
}

/* 1 where the byte is 0 and -1 where it is 1. */
OB_INLINE __m512i signs(__m512i bits) {
    return _mm512_sub_epi8(_mm512_set1_epi8(1), _mm512_add_epi8(bits, bits));
}

static void neighbours(const unsigned char *bytes, int64_t step, int64_t count, int64_t terms, int16_t *tables,
                       int64_t tables_step) {
    const __m512i quad_s8x64 = signs(_mm512_load_si512(of_quad)), turned_s8x64 = signs(_mm512_load_si512(of_turned));
    const __m512i fifth_s8x64 = _mm512_mask_mov_epi16(_mm512_set1_epi16(1), WITH_FIFTH, _mm512_set1_epi16(0xff));
    const __m512i ones = _mm512_set1_epi8(1);
    const __m512i fours =
        _mm512_add_epi16(_mm512_maddubs_epi16(ones, quad_s8x64), _mm512_maddubs_epi16(ones, turned_s8x64));
    const __m512i excess_i16x32 = /* 128 for each term */
        _mm512_slli_epi16(_mm512_add_epi16(fours, _mm512_maddubs_epi16(ones, fifth_s8x64)), 7);
    for (int64_t place = 0; place < count; place++, bytes += step, tables += tables_step) {
        int16_t *to = tables;
        for (int64_t first = 0; first < terms; first += OB_LOOKUP_TERMS, to += OB_LOOKUP_SUMS) {
            unsigned char padded[OB_LOOKUP_TERMS + 1] = {128, 128, 128, 128, 128, 128};
            const unsigned char *from = bytes + first;
            if (terms - first < OB_LOOKUP_TERMS) from = memcpy(padded, from, (size_t)(terms - first));
            const __m512i quad = load_quad(from);
            int16_t last;
            memcpy(&last, from + 4, sizeof last); /* its second byte meets 0 */
            __m512i sum = _mm512_sub_epi16(_mm512_maddubs_epi16(_mm512_set1_epi16(last), fifth_s8x64), excess_i16x32);
            sum = _mm512_add_epi16(sum, _mm512_maddubs_epi16(quad, quad_s8x64));
            sum = _mm512_add_epi16(sum, _mm512_maddubs_epi16(_mm512_rol_epi32(quad, 16), turned_s8x64));
            _mm512_storeu_si512(to, sum);
        }
    }
}

OB_INLINE void span(const unsigned char *quads, const int64_t step, int16_t *tables) {
    const __m512i quad_u8x64 = _mm512_load_si512(of_quad), turned_u8x64 = _mm512_load_si512(of_turned);
    const __m512i low_u8x64 = _mm512_maskz_set1_epi16(WITH_FIFTH, 1), high_u8x64 = _mm512_slli_epi16(low_u8x64, 8);
    const __m512i fifth = load_quad(quads + 4 * step), turned = _mm512_rol_epi32(fifth, 16);
    const __m512i first_two = _mm512_mask_mov_epi16(fifth, ODD, turned);
    const __m512i last_two = _mm512_mask_mov_epi16(turned, ODD, fifth);
    OB_UNROLL
    for (int i = 0; i < 4; i++) {
        const __m512i quad = load_quad(quads + i * step);
        __m512i sum_i16x32 = _mm512_maddubs_epi16(i % 2 ? high_u8x64 : low_u8x64, i < 2 ? first_two : last_two);
        sum_i16x32 = _mm512_add_epi16(sum_i16x32, _mm512_maddubs_epi16(quad_u8x64, quad));
        sum_i16x32 = _mm512_add_epi16(sum_i16x32, _mm512_maddubs_epi16(turned_u8x64, _mm512_rol_epi32(quad, 16)));
        _mm512_storeu_si512(tables + OB_LOOKUP_SUMS * i, sum_i16x32);
    }
}

static void spans(const unsigned char *quads, int64_t count, int16_t *tables) {
    int64_t first = 0;
    for (; first + OB_LOOKUP_SPAN <= count; first += OB_LOOKUP_SPAN, tables += 4 * OB_LOOKUP_SUMS)
        span(quads + 64 * first, 64, tables);
    if (first == count) return;
    unsigned char padded[4 * OB_LOOKUP_SPAN] = {0};
    for (int64_t i = 0; i < OB_LOOKUP_SPAN && first + i < count; i++)
        memcpy(padded + 4 * i, quads + 64 * (first + i), 4);
    span(padded, 4, tables);
}

/* Words have 64 channels: their bits are masks of bytes, which then become 16-bit numbers. */
static void indices(const unsigned char *words, const int32_t *starts, int64_t groups, int64_t lanes, uint16_t *to) {
    for (int64_t f = 0; f < groups; f++, starts += OB_LOOKUP_TERMS)
        for (int64_t lane = 0; lane < lanes; lane += 64) {
            __m512i index_u8x64 = _mm512_setzero_si512();
            OB_UNROLL
            for (int k = 0; k < OB_LOOKUP_TERMS; k++) {
                const __mmask64 bits = ob_load_u64(words + starts[k] + lane / 8);
                index_u8x64 = _mm512_mask_add_epi8(index_u8x64, bits, index_u8x64, _mm512_set1_epi8((char)(1 << k)));
            }
            _mm512_storeu_si512(to, _mm512_cvtepu8_epi16(_mm512_castsi512_si256(index_u8x64)));
            to += 32;
            if (lane + 32 == lanes) break;
            _mm512_storeu_si512(to, _mm512_cvtepu8_epi16(_mm512_extracti64x4_epi64(index_u8x64, 1)));
            to += 32;
        }
}

/* Six rows from r on; past the last one it is repeated and not stored. */
OB_INLINE void add_rows(const ob_lookup_sums *job, int64_t r, const int vectors) {
    const int16_t *start[OB_LOOKUP_ROWS];
    __m512i sum_i16x32[OB_LOOKUP_ROWS][4];
    OB_UNROLL
    for (int i = 0; i < OB_LOOKUP_ROWS; i++) {
        const int64_t row = r + i < job->count ? r + i : job->count - 1;
        start[i] = job->tables + job->rows[row] * OB_LOOKUP_SUMS;
        OB_UNROLL
        for (int v = 0; v < vectors; v++) sum_i16x32[i][v] = _mm512_setzero_si512();
    }
    const uint16_t *indices = job->indices;
    for (int64_t t = 0; t < job->taps; t++) {
        int64_t at = job->tap_at[t] * OB_LOOKUP_SUMS;
        for (const int64_t end = at + job->groups * OB_LOOKUP_SUMS; at < end; at += OB_LOOKUP_SUMS) {
            __m512i index_u16x32[4];
            OB_UNROLL
            for (int v = 0; v < vectors; v++, indices += 32) index_u16x32[v] = _mm512_loadu_si512(indices);
            OB_UNROLL
            for (int i = 0; i < OB_LOOKUP_ROWS; i++) {
                const __m512i table_i16x32 = _mm512_loadu_si512(start[i] + at);
                OB_UNROLL
                for (int v = 0; v < vectors; v++) {
                    __m512i *const sum = &sum_i16x32[i][v];
                    *sum = _mm512_add_epi16(*sum, _mm512_permutexvar_epi16(index_u16x32[v], table_i16x32));
                    OB_IN_ORDER(*sum);
                }
            }
        }
    }
    OB_UNROLL
    for (int i = 0; i < OB_LOOKUP_ROWS; i++) {
        if (r + i >= job->count) break;
        int32_t *to = job->sums + (r + i) * 32 * vectors;
        OB_UNROLL
        for (int v = 0; v < vectors; v++, to += 32) {
            __m512i low = _mm512_cvtepi16_epi32(_mm512_castsi512_si256(sum_i16x32[i][v]));
            __m512i high = _mm512_cvtepi16_epi32(_mm512_extracti64x4_epi64(sum_i16x32[i][v], 1));
            if (!job->first) low = _mm512_add_epi32(low, _mm512_loadu_si512(to));
            if (!job->first) high = _mm512_add_epi32(high, _mm512_loadu_si512(to + 16));
            _mm512_storeu_si512(to, low);
            _mm512_storeu_si512(to + 16, high);
        }
    }
}

static void add(const ob_lookup_sums *job) {
    for (int64_t r = 0; r < job->count; r += OB_LOOKUP_ROWS) switch (job->lanes / 32) {
        case 1:
            add_rows(job, r, 1);
            break;
        case 2:
            add_rows(job, r, 2);
            break;
        case 3:
            add_rows(job, r, 3);
            break;
        default:
            add_rows(job, r, 4);
            break;
        }
}

static void outside(const unsigned char *quads, const int32_t *list, int64_t count, int32_t *sums) {
    const __m512i ones = _mm512_set1_epi8(1);
    __m512i sum_i32x16 = _mm512_loadu_si512(sums);
    for (int64_t i = 0; i < count; i++) {
        const __mmask64 live = (__mmask64)(list[i] % 16) * 0x1111111111111111u;
        const __m512i q = _mm512_maskz_loadu_epi8(live, quads + list[i] / 16 * 64);
        sum_i32x16 = _mm512_dpbusd_epi32(sum_i32x16, ones, q);
    }
    _mm512_storeu_si512(sums, sum_i32x16);
}

static void finish(const ob_lookup_row *row) {
    const __m512i base_i32x16 = _mm512_set1_epi32(row->base), factor_i32x16 = _mm512_set1_epi32(row->factor);
    for (int64_t c = 0; c < row->channels; c += 16) {
        const __mmask16 live = ob_live(row->channels, c);
        __m512i sum_i32x16 = _mm512_loadu_si512(row->sums + c);
        for (int64_t p = 1; p < row->parts; p++)
            sum_i32x16 = _mm512_add_epi32(sum_i32x16, _mm512_loadu_si512(row->sums + p * row->part_step + c));
        sum_i32x16 = _mm512_add_epi32(_mm512_mullo_epi32(sum_i32x16, factor_i32x16), base_i32x16);
        ob_store_gradient(row->out + c, row->window ? row->window + c : NULL, live, sum_i32x16, row->step);
    }
}

const ob_lookup_steps *ob_gradient_lookup_avx512vpopcnt(void) {
    static const ob_lookup_steps quick = {neighbours, spans, indices, add, outside, finish, 1};
    static const ob_lookup_steps slow = {neighbours, spans, indices, add, outside, finish, 0};
    return ob_cpu() & OB_CPU_QUICKPERMW ? &quick : &slow;
}

OB_TARGET_END

#endif
