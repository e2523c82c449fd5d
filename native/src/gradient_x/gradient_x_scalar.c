/* gradient_x_scalar.c: one sum after the other, on any processor. The oracle of the other kernels. */
#include "../sign_gradients/product_scalar.h"

void ob_gradient_x_scalar(const ob_gradient_x_job *job, int64_t rows) {
    for (int64_t r = 0; r < rows; r++) {
        int32_t sum[OB_PANEL_CHANNELS];
        const unsigned char *panel = job->panel;
        memcpy(sum, job->base, sizeof sum);
        for (int64_t tap = 0; tap < job->taps; tap++) {
            const unsigned char *row = job->pictures + job->places[r] + job->tap_bytes[tap];
            for (int64_t q = 0; q < job->quads; q++, panel += OB_QUAD_BYTES)
                for (int c = 0; c < OB_PANEL_CHANNELS; c++)
                    for (int i = 0; i < 4; i++) sum[c] += row[4 * q + i] * (signed char)panel[4 * c + i];
        }
        for (int64_t c = 0; c < job->channels; c++)
            job->out[job->pixels[r] + c] = ob_gradient_of(sum[c], job->steps[r], job->window, job->pixels[r] + c);
    }
}
