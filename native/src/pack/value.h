/* value.h: one value of a pack: what it is, and whether it becomes -1. The definition, and the tails of the kernels. */
#ifndef ONEBIT_PACK_VALUE_H
#define ONEBIT_PACK_VALUE_H

#include "../uniform.h"

/* What a value is compared with; a constant in each form of a loop (forms.h). */
enum { OB_PACK_ZERO, OB_PACK_THRESHOLD, OB_PACK_DRAWN };

/* A half of sign, 5 bits of exponent and 10 of fraction; without the processor's help, and exact. */
OB_INLINE float ob_half_value(uint16_t half) {
    const uint32_t magnitude = half & 0x7fffu;
    uint32_t bits = magnitude << 13;
    float value;
    if (magnitude >= 0x7c00) bits += 224u << 23; /* infinity and NaN: the greatest exponent stays it */
    if (magnitude >= 0x0400) {
        if (magnitude < 0x7c00) bits += 112u << 23;
        memcpy(&value, &bits, sizeof value);
    } else {
        value = (float)magnitude * 0x1p-24f;
    }
    return half & 0x8000u ? -value : value;
}

OB_INLINE int64_t ob_pack_bytes(const int type) {
    return type == OB_TYPE_F32 ? 4 : type == OB_TYPE_U8 || type == OB_TYPE_S8 ? 1 : 2;
}

/* The value at x, exact in float32 for every type. */
OB_INLINE float ob_pack_value(const unsigned char *x, const int type) {
    uint32_t bits = 0;
    float value;
    if (type == OB_TYPE_U8) return (float)*x;
    if (type == OB_TYPE_S8) return (float)(int8_t)*x;
    if (type == OB_TYPE_F32) {
        memcpy(&value, x, sizeof value);
        return value;
    }
    memcpy(&bits, x, 2);
    if (type == OB_TYPE_F16) return ob_half_value((uint16_t)bits);
    bits <<= 16; /* bfloat16 is the upper half of a float32 */
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* The number of channel 0 of a row of words: random thresholds are numbered as if channels stood first. */
OB_INLINE uint32_t ob_pack_number(const ob_pack_job *job, int64_t row) {
    return (uint32_t)(row / job->places * job->c * job->places + row % job->places);
}

/* 1 if the value at x, of this channel, becomes -1; number: of its row. Comparisons with NaN are false: they give 0. */
OB_INLINE uint64_t ob_pack_minus(const ob_pack_job *job, const unsigned char *x, uint32_t number, int64_t channel,
                                 const int type, const int compared) {
    const float value = ob_pack_value(x, type);
    if (compared == OB_PACK_ZERO) return value < 0;
    if (compared == OB_PACK_DRAWN)
        return value < 1 - 2 * ob_uniform(job->seed, number + (uint32_t)(channel * job->places));
    const float threshold = job->threshold[channel];
    return job->direction[channel] > 0 ? value < threshold : value > threshold;
}

#endif
