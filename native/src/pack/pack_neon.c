/* pack_neon.c: as pack_avx512bw.c with 4 values in a vector. Two compares, narrowed, make 8 bytes of a word's bits; the
 * masks of 64 values are weighed and added in pairs. Where the channels stand first, the compare's lanes take the
 * channel's bit: 2 operations for 4 values, of 16 places at once.
 * Bottleneck: reading x, 256 bytes of float32 per word. Built and checked under emulation; its speed was not measured.
 */
#if defined(__aarch64__)
#include <arm_neon.h>

#include "../target.h"
#include "forms.h"

enum { VECTORS = 4 };

/* 4 neighbouring values. */
OB_INLINE float32x4_t load4(const unsigned char *x, const int type) {
    if (type == OB_TYPE_F32) return vreinterpretq_f32_u8(vld1q_u8(x));
    if (type == OB_TYPE_U8 || type == OB_TYPE_S8) {
        uint32_t four;
        memcpy(&four, x, sizeof four);
        const uint32x2_t bytes_x8 = vdup_n_u32(four);
        if (type == OB_TYPE_S8) return vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(vreinterpret_s8_u32(bytes_x8)))));
        return vcvtq_f32_u32(vmovl_u16(vget_low_u16(vmovl_u8(vreinterpret_u8_u32(bytes_x8)))));
    }
    const uint16x4_t half_x4 = vreinterpret_u16_u8(vld1_u8(x));
    if (type == OB_TYPE_F16) return vcvt_f32_f16(vreinterpret_f16_u16(half_x4));
    return vreinterpretq_f32_u32(vshll_n_u16(half_x4, 16));
}

/* Of 4 values, or of their negatives: turn holds the sign bits. */
typedef struct limit {
    uint32x4_t threshold_x4, turn_u32x4;
} limit;

OB_INLINE limit limit_of(float32x4_t threshold_f32x4, int32x4_t direction_i32x4) {
    const uint32x4_t sign_u32x4 = vdupq_n_u32((uint32_t)1 << 31);
    const uint32x4_t turn_u32x4 = vandq_u32(vreinterpretq_u32_s32(direction_i32x4), sign_u32x4);
    return (limit){veorq_u32(vreinterpretq_u32_f32(threshold_f32x4), turn_u32x4), turn_u32x4};
}

/* Random thresholds of the values number + lane * step, as uniform.h has them: 1 - 2 u, exact. */
OB_INLINE limit limit_drawn(const ob_pack_job *job, uint32_t number, uint32_t step) {
    static const uint32_t lanes[4] = {0, 1, 2, 3};
    const uint32x4_t first_u32x4 = vdupq_n_u32(number * 0x9e3779b1u + job->seed);
    uint32x4_t h = vmlaq_n_u32(first_u32x4, vld1q_u32(lanes), step * 0x9e3779b1u);
    h = vmulq_n_u32(veorq_u32(h, vshrq_n_u32(h, 16)), 0x85ebca6bu);
    h = vmulq_n_u32(veorq_u32(h, vshrq_n_u32(h, 13)), 0xc2b2ae35u);
    h = vshrq_n_u32(veorq_u32(h, vshrq_n_u32(h, 16)), 8);
    const float32x4_t twice_f32x4 = vmulq_n_f32(vcvtq_f32_u32(h), 0x1p-23f);
    return (limit){vreinterpretq_u32_f32(vsubq_f32(vdupq_n_f32(1), twice_f32x4)), vdupq_n_u32(0)};
}

/* All ones where a value is -1. Comparisons with NaN are false, so NaN gives 0, which is +1; -0.0 is not below 0. */
OB_INLINE uint32x4_t minus4(float32x4_t x_f32x4, const limit *of, const int compared) {
    if (compared == OB_PACK_ZERO) return vcltzq_f32(x_f32x4);
    const uint32x4_t turned = veorq_u32(vreinterpretq_u32_f32(x_f32x4), of->turn_u32x4);
    return vcltq_f32(vreinterpretq_f32_u32(turned), vreinterpretq_f32_u32(of->threshold_x4));
}

/* ---- channels last ---- */

OB_INLINE uint16x4_t mask4(const ob_pack_job *job, const unsigned char *x, uint32_t number, int64_t channel,
                           const int type, const int compared) {
    const uint32_t step = (uint32_t)job->places;
    limit of = {vdupq_n_u32(0), vdupq_n_u32(0)};
    if (compared == OB_PACK_DRAWN) of = limit_drawn(job, number + (uint32_t)channel * step, step);
    if (compared == OB_PACK_THRESHOLD) {
        const int8_t *const d = job->direction + channel;
        const int32_t direction[4] = {d[0], d[1], d[2], d[3]};
        of = limit_of(vld1q_f32(job->threshold + channel), vld1q_s32(direction));
    }
    return vmovn_u32(minus4(load4(x + channel * ob_pack_bytes(type), type), &of, compared));
}

/* The bits of 64 channels: bytes of ones or zeros, weighed, then added up to one byte for 8 of them. */
OB_INLINE uint64_t bits64(const ob_pack_job *job, const unsigned char *x, uint32_t number, int64_t channel,
                          const int type, const int compared) {
    static const uint8_t bit_of[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    uint8x16_t weighed_u8x16[4];
    OB_UNROLL
    for (int q = 0; q < 4; q++) {
        const int64_t c = channel + 16 * q;
        uint16x4_t mask[4];
        OB_UNROLL
        for (int m = 0; m < 4; m++) mask[m] = mask4(job, x, number, c + 4 * m, type, compared);
        const uint16x8_t low = vcombine_u16(mask[0], mask[1]), high = vcombine_u16(mask[2], mask[3]);
        weighed_u8x16[q] = vandq_u8(vcombine_u8(vmovn_u16(low), vmovn_u16(high)), vld1q_u8(bit_of));
    }
    const uint8x16_t first = vpaddq_u8(weighed_u8x16[0], weighed_u8x16[1]);
    const uint8x16_t second = vpaddq_u8(weighed_u8x16[2], weighed_u8x16[3]);
    const uint8x16_t both = vpaddq_u8(first, second);
    return vgetq_lane_u64(vreinterpretq_u64_u8(vpaddq_u8(both, both)), 0);
}

OB_INLINE void rows(const ob_pack_job *job, int64_t first, int64_t count, const int type, const int compared) {
    for (int64_t row = first; row < first + count; row++) {
        const unsigned char *x = job->x + row * job->c * ob_pack_bytes(type);
        unsigned char *out = job->out + row * job->words * 8;
        const uint32_t number = compared == OB_PACK_DRAWN ? ob_pack_number(job, row) : 0;
        for (int64_t channel = 0; channel < job->c; channel += 64, out += 8) {
            uint64_t word = 0;
            if (channel + 64 <= job->c)
                word = bits64(job, x, number, channel, type, compared);
            else
                for (int64_t c = channel; c < job->c; c++)
                    word |= ob_pack_minus(job, x + c * ob_pack_bytes(type), number, c, type, compared) << (c - channel);
            memcpy(out, &word, sizeof word);
        }
    }
}

/* ---- channels first ---- */

/* Bit i of lane p of bits[v]: channel + i is -1 at place 4 * v + p, for up to 32 channels; x is of the first. */
OB_INLINE void bits32(const ob_pack_job *job, const unsigned char *x, int64_t plane_bytes, uint32_t number,
                      int64_t channel, uint32x4_t bits_u32x4[VECTORS], const int type, const int compared) {
    const int64_t channels = job->c - channel < 32 ? job->c - channel : 32;
    for (int v = 0; v < VECTORS; v++) bits_u32x4[v] = vdupq_n_u32(0);
    for (int64_t i = 0; i < channels; i++, x += plane_bytes) {
        const uint32x4_t bit_u32x4 = vdupq_n_u32((uint32_t)1 << i);
        limit of = {vdupq_n_u32(0), vdupq_n_u32(0)};
        if (compared == OB_PACK_THRESHOLD)
            of = limit_of(vdupq_n_f32(job->threshold[channel + i]), vdupq_n_s32(job->direction[channel + i]));
        OB_UNROLL
        for (int v = 0; v < VECTORS; v++) {
            if (compared == OB_PACK_DRAWN)
                of = limit_drawn(job, number + (uint32_t)((channel + i) * job->places) + 4 * (uint32_t)v, 1);
            const uint32x4_t minus_u32x4 = minus4(load4(x + 4 * v * ob_pack_bytes(type), type), &of, compared);
            bits_u32x4[v] = vorrq_u32(bits_u32x4[v], vandq_u32(minus_u32x4, bit_u32x4));
        }
    }
}

/* 16 places and 64 channels. */
OB_INLINE void block(const ob_pack_job *job, const ob_pack_run *run, int64_t place, int64_t channel, const int type,
                     const int compared) {
    uint32x4_t low_u32x4[VECTORS], high_u32x4[VECTORS];
    const unsigned char *x = run->x + channel * run->plane_bytes + place * ob_pack_bytes(type);
    const uint32_t number = run->number + (uint32_t)place;
    bits32(job, x, run->plane_bytes, number, channel, low_u32x4, type, compared);
    bits32(job, x + 32 * run->plane_bytes, run->plane_bytes, number, channel + 32, high_u32x4, type, compared);
    unsigned char *out = run->out + place * job->words * 8 + channel / 8;
    for (int v = 0; v < VECTORS; v++) {
        uint32_t low[4], high[4];
        vst1q_u32(low, low_u32x4[v]), vst1q_u32(high, high_u32x4[v]);
        for (int p = 0; p < 4; p++, out += job->words * 8) {
            const uint64_t word = low[p] | (uint64_t)high[p] << 32;
            memcpy(out, &word, sizeof word);
        }
    }
}

/* The last block takes some of the places before it again. */
OB_INLINE void planes(const ob_pack_job *job, int64_t first, int64_t count, const int type, const int compared) {
    for (int64_t row = first, end = first + count; row < end;) {
        const ob_pack_run run = ob_pack_run_at(job, row, end - row, type);
        const int64_t last = run.count - 4 * VECTORS;
        for (int64_t channel = 0; channel < job->c; channel += 64) {
            if (last < 0) ob_pack_few(job, &run, channel, type, compared);
            for (int64_t place = 0; last >= 0 && place < run.count; place += 4 * VECTORS)
                block(job, &run, place < last ? place : last, channel, type, compared);
        }
        row += run.count;
    }
}

OB_PACK_KERNEL(neon)

#endif
