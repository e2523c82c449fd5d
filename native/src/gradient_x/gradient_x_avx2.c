/* gradient_x_avx2.c: 4 places of x's gradient x 16 channels, by product_avx2.h: rows are unsigned bytes of the
 * gradient, the panel is w. */
#if defined(__x86_64__)
#include "../sign_gradients/product_scalar.h"
#include "../target.h"

OB_TARGET_BEGIN(OB_TARGET_AVX2)
#include "../sign_gradients/product_avx2.h"

static void tile(const ob_gradient_x_job *job, int64_t first, int64_t rows, int part) {
    const unsigned char *panel = job->panel + OB_PART_BYTES * part, *start[OB_PANEL_ROWS], *row[OB_PANEL_ROWS];
    __m256i sum[OB_PANEL_ROWS][2];
    for (int64_t r = 0; r < OB_PANEL_ROWS; r++) /* a row past the end repeats the last one and is not stored */
        start[r] = job->pictures + job->places[first + r < rows ? first + r : rows - 1];
    OB_UNROLL
    for (int r = 0; r < OB_PANEL_ROWS; r++) sum[r][0] = sum[r][1] = _mm256_setzero_si256();
    for (int64_t tap = 0; tap < job->taps; tap++, panel += OB_QUAD_BYTES * job->quads) {
        OB_UNROLL
        for (int r = 0; r < OB_PANEL_ROWS; r++) row[r] = start[r] + job->tap_bytes[tap];
        ob_add_quads(sum, panel, row, job->quads, 4, 1);
    }
    OB_UNROLL
    for (int r = 0; r < OB_PANEL_ROWS; r++) {
        int32_t y[16];
        ob_spill(sum[r], y);
        if (first + r >= rows) break;
        for (int64_t i = 0; i < 16 && 16 * part + i < job->channels; i++) {
            const int64_t at = job->pixels[first + r] + 16 * part + i;
            job->out[at] = ob_gradient_of(y[i] + job->base[16 * part + i], job->steps[first + r], job->window, at);
        }
    }
}

void ob_gradient_x_avx2(const ob_gradient_x_job *job, int64_t rows) {
    for (int part = 0; part < OB_PARTS_OF_PANEL && 16 * part < job->channels; part++)
        for (int64_t first = 0; first < rows; first += OB_PANEL_ROWS) tile(job, first, rows, part);
}

OB_TARGET_END

#endif
