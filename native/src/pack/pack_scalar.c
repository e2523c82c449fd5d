/* pack_scalar.c: bit i of a place = its channel i is -1 (value.h), on any processor. The oracle of the other kernels.
 * Limit: one comparison per value; where the channels stand first, one cache line per value as well. */
#include "forms.h"

OB_INLINE void place(const ob_pack_job *job, const unsigned char *x, int64_t step, uint32_t number, unsigned char *out,
                     const int type, const int compared) {
    for (int64_t channel = 0; channel < job->c; channel += 64, out += 8) {
        uint64_t word = 0;
        for (int64_t b = 0; b < 64 && channel + b < job->c; b++, x += step)
            word |= ob_pack_minus(job, x, number, channel + b, type, compared) << b;
        memcpy(out, &word, sizeof word);
    }
}

OB_INLINE void rows(const ob_pack_job *job, int64_t first, int64_t count, const int type, const int compared) {
    for (int64_t row = first; row < first + count; row++)
        place(job, job->x + row * job->c * ob_pack_bytes(type), ob_pack_bytes(type), ob_pack_number(job, row),
              job->out + row * job->words * 8, type, compared);
}

OB_INLINE void planes(const ob_pack_job *job, int64_t first, int64_t count, const int type, const int compared) {
    for (int64_t row = first; row < first + count; row++) {
        const ob_pack_run run = ob_pack_run_at(job, row, 1, type);
        place(job, run.x, run.plane_bytes, run.number, run.out, type, compared);
    }
}

OB_PACK_KERNEL(scalar)
