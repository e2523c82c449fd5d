/* float_steps_scalar.c: the steps of onebit.h on one float after the other. The oracle of the other kernels. */
#include "../kernels.h"

static float steps(const ob_epilogue *e, int64_t n, int64_t row, int64_t channel, float f) {
    const float *residual = e->residual ? e->residual + row * n + channel : NULL;
    if (residual && !e->residual_last) f = f + *residual;
    if (e->activation == OB_ACTIVATION_CLAMP) {
        f = f < e->low[channel] ? e->low[channel] : f;
        f = f > e->high[channel] ? e->high[channel] : f;
    } else if (e->activation == OB_ACTIVATION_PRELU) {
        f = f > 0 ? f : e->slope[channel] * f;
    }
    if (residual && e->residual_last) f = f + *residual;
    return f;
}

static int is_minus_one(const ob_epilogue *e, int64_t channel, float f) {
    return e->direction[channel] > 0 ? f < e->float_threshold[channel] : f > e->float_threshold[channel];
}

void ob_float_steps_scalar(const ob_epilogue *e, unsigned char *out, int64_t n, const ob_dense_part *part) {
    const int64_t words = (n + 63) / 64, end = part->channel + part->channels;
    for (int64_t row = part->row; row < part->row + part->rows; row++)
        for (int64_t channel = part->channel; channel < end; channel += 64) {
            uint64_t word = 0;
            for (int64_t c = channel; c < end && c < channel + 64; c++) {
                float f;
                memcpy(&f, out + (row * n + c) * 4, 4);
                f = steps(e, n, row, c, f);
                memcpy(out + (row * n + c) * 4, &f, 4);
                if (e->output == OB_OUTPUT_FLOAT_BITS) word |= (uint64_t)is_minus_one(e, c, f) << (c - channel);
            }
            if (e->output == OB_OUTPUT_FLOAT_BITS)
                memcpy((unsigned char *)e->bits + (row * words + channel / 64) * 8, &word, 8);
        }
}
