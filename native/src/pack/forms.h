/* forms.h: a loop of a pack kernel, compiled once for each element type and each kind of limit: both are constants
 * inside it. The loops are called rows (channels last) and planes (channels first). */
#ifndef ONEBIT_PACK_FORMS_H
#define ONEBIT_PACK_FORMS_H

#include "value.h"

#define OB_PACK_FORM(loop, value_type)                              \
    case value_type:                                                \
        if (job->threshold)                                         \
            loop(job, first, count, value_type, OB_PACK_THRESHOLD); \
        else if (value_type == OB_TYPE_F32 && job->drawn)           \
            loop(job, first, count, value_type, OB_PACK_DRAWN);     \
        else if (value_type != OB_TYPE_U8)                          \
            loop(job, first, count, value_type, OB_PACK_ZERO);      \
        break;
#define OB_PACK_FORMS(loop)                                                                 \
    static void loop##_of_all_types(const ob_pack_job *job, int64_t first, int64_t count) { \
        switch (job->type) {                                                                \
            OB_PACK_FORM(loop, OB_TYPE_F32)                                                 \
            OB_PACK_FORM(loop, OB_TYPE_F16)                                                 \
            OB_PACK_FORM(loop, OB_TYPE_BF16)                                                \
            OB_PACK_FORM(loop, OB_TYPE_U8)                                                  \
            OB_PACK_FORM(loop, OB_TYPE_S8)                                                  \
        }                                                                                   \
    }

/* Defines the kernel of an instruction set from its two loops, loop(job, first, count, type, compared). */
#define OB_PACK_KERNEL(isa)                                                                             \
    OB_PACK_FORMS(rows)                                                                                 \
    OB_PACK_FORMS(planes)                                                                               \
    void ob_pack_##isa(const ob_pack_job *job, int64_t first, int64_t count) {                          \
        (job->layout == OB_CHANNELS_LAST ? rows_of_all_types : planes_of_all_types)(job, first, count); \
    }

/* Places [place, place + count) of one picture whose channels stand first: x is their value of channel 0. */
typedef struct ob_pack_run {
    const unsigned char *x;
    int64_t plane_bytes, count;
    uint32_t number; /* of the first place's channel 0 */
    unsigned char *out;
} ob_pack_run;

/* The run of output rows from `row` on, which ends with the picture or after `left` rows. */
OB_INLINE ob_pack_run ob_pack_run_at(const ob_pack_job *job, int64_t row, int64_t left, const int type) {
    const int64_t picture = row / job->places, place = row % job->places,
                  plane_bytes = job->places * ob_pack_bytes(type);
    return (ob_pack_run){.x = job->x + picture * job->c * plane_bytes + place * ob_pack_bytes(type),
                         .plane_bytes = plane_bytes,
                         .count = job->places - place < left ? job->places - place : left,
                         .number = ob_pack_number(job, row),
                         .out = job->out + row * job->words * 8};
}

/* 64 channels of fewer places than the kernel's block has, one by one. */
OB_INLINE void ob_pack_few(const ob_pack_job *job, const ob_pack_run *run, int64_t channel, const int type,
                           const int compared) {
    for (int64_t place = 0; place < run->count; place++) {
        const unsigned char *x = run->x + channel * run->plane_bytes + place * ob_pack_bytes(type);
        uint64_t word = 0;
        for (int64_t b = 0; b < 64 && channel + b < job->c; b++, x += run->plane_bytes)
            word |= ob_pack_minus(job, x, run->number + (uint32_t)place, channel + b, type, compared) << b;
        memcpy(run->out + place * job->words * 8 + channel / 8, &word, sizeof word);
    }
}

#endif
