/* epilogue_scalar.h: what happens to the exact sums of 8 neighbouring channels of one row. */
#ifndef ONEBIT_EPILOGUE_SCALAR_H
#define ONEBIT_EPILOGUE_SCALAR_H

#include "../kernels.h"

OB_INLINE int ob_is_plus_one(const ob_epilogue *e, int64_t channel, int32_t y) {
    return e->direction[channel] > 0 ? y >= e->threshold[channel] : y <= e->threshold[channel];
}

/* y: sums of channels [channel, channel + 8), of which those below n are stored. */
OB_INLINE void ob_store_scalar(const ob_dense_job *job, int64_t row, int64_t channel, const int32_t y[8]) {
    const ob_epilogue *e = &job->epilogue;
    const int live = job->n - channel < 8 ? (int)(job->n - channel) : 8;
    unsigned char *out = job->out + row * job->out_bytes;
    if (e->output == OB_OUTPUT_BITS) {
        unsigned byte = 0;
        for (int c = 0; c < live; c++) byte |= (unsigned)!ob_is_plus_one(e, channel + c, y[c]) << c;
        out[channel / 8] = (unsigned char)byte;
        return;
    }
    out += channel * 4;
    if (e->output == OB_OUTPUT_INT32) {
        memcpy(out, y, 4 * (size_t)live);
        return;
    }
    for (int c = 0; c < live; c++) {
        const float scaled = (float)y[c] * e->scale[channel + c], sum = scaled + e->bias[channel + c];
        memcpy(out + 4 * c, &sum, 4);
    }
}

/* Clears the bytes of a row of bits that lie past channel n, if the part ends there. */
OB_INLINE void ob_clear_tail(const ob_dense_job *job, const ob_dense_part *part) {
    if (job->epilogue.output != OB_OUTPUT_BITS || part->channel + part->channels < job->n) return;
    const int64_t used = (job->n + 7) / 8;
    if (used == job->out_bytes) return;
    for (int64_t row = part->row; row < part->row + part->rows; row++)
        memset(job->out + row * job->out_bytes + used, 0, (size_t)(job->out_bytes - used));
}

#endif
