/* gradient_x_avx2.c: 4 places of x's gradient x 16 channels, by product_avx2.h: rows are unsigned bytes of the
 * gradient, the panel is w. */
#if defined(__x86_64__)
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
        ob_add_quads(sum, panel, row, job->quads, job->short_quads, 4, 1);
    }
    OB_UNROLL
    for (int r = 0; r < OB_PANEL_ROWS; r++) {
        if (first + r >= rows) break;
        OB_UNROLL
        for (int v = 0; v < 2; v++) {
            const int64_t c = 16 * part + 8 * v, at = job->pixels[first + r] + c;
            const __m256i base_i32x8 = _mm256_loadu_si256((const __m256i *)(const void *)(job->base + c));
            ob_store_gradient(job->out + at, job->window ? job->window + at : NULL, ob_live(job->channels, c),
                              _mm256_add_epi32(sum[r][v], base_i32x8), job->steps[first + r]);
        }
    }
}

void ob_gradient_x_avx2(const ob_gradient_x_job *job, int64_t rows) {
    for (int part = 0; part < OB_PARTS_OF_PANEL && 16 * part < job->channels; part++)
        for (int64_t first = 0; first < rows; first += OB_PANEL_ROWS) tile(job, first, rows, part);
}

OB_TARGET_END

#endif
