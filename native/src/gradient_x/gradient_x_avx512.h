/* gradient_x_avx512.h: 4 places of x's gradient x 64 channels, by product_avx512.h: rows are unsigned bytes of the
 * gradient, the panel is w. The includer names the kernel (OB_GRADIENT_KERNEL) and its target (OB_TARGET_PRODUCT). */
#include "../target.h"

OB_TARGET_BEGIN(OB_TARGET_PRODUCT)
#include "../sign_gradients/product_avx512.h"

void OB_GRADIENT_KERNEL(const ob_gradient_x_job *job, int64_t rows) {
    for (int64_t first = 0; first < rows; first += OB_PANEL_ROWS) {
        const unsigned char *start[OB_PANEL_ROWS], *row[OB_PANEL_ROWS], *panel = job->panel;
        ob_sums s;
        for (int64_t r = 0; r < OB_PANEL_ROWS; r++) /* a row past the end repeats the last one and is not stored */
            start[r] = job->pictures + job->places[first + r < rows ? first + r : rows - 1];
        for (int64_t r = first; r < first + OB_PANEL_ROWS && r < rows; r++) { /* they come from memory */
            for (int64_t c = 0; c < job->channels; c += 16) {
                if (job->window) __builtin_prefetch(job->window + job->pixels[r] + c);
                __builtin_prefetch(job->out + job->pixels[r] + c, 1);
            }
        }
        ob_clear_sums(&s);
        for (int64_t tap = 0; tap < job->taps; tap++, panel += OB_QUAD_BYTES * job->quads) {
            OB_UNROLL
            for (int r = 0; r < OB_PANEL_ROWS; r++) row[r] = start[r] + job->tap_bytes[tap];
            ob_add_quads(&s, panel, row, job->quads, job->short_quads, 4, 1);
        }
        OB_UNROLL
        for (int r = 0; r < OB_PANEL_ROWS; r++) {
            if (first + r >= rows) break;
            const int64_t at = job->pixels[first + r];
            OB_UNROLL
            for (int v = 0; v < 4; v++) {
                const __m512i base_i32x16 = _mm512_loadu_si512(job->base + 16 * v);
                ob_store_gradient(job->out + at + 16 * v, job->window ? job->window + at + 16 * v : NULL,
                                  ob_live(job->channels, 16 * v), _mm512_add_epi32(s.of_i32x16[r][v], base_i32x16),
                                  job->steps[first + r]);
            }
        }
    }
}

OB_TARGET_END
