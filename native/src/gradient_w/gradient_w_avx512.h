/* gradient_w_avx512.h: 4 channels n of w's gradient x 64 channels c, by product_avx512.h: rows are signed bytes of the
 * gradient, the panel is x. The includer names the kernel (OB_GRADIENT_KERNEL) and its target (OB_TARGET_PRODUCT). */
#include "../target.h"

OB_TARGET_BEGIN(OB_TARGET_PRODUCT)
#include "../sign_gradients/product_avx512.h"

/* What finish will read, from memory or L2, while the products are on their way. */
OB_INLINE void ask_for(const ob_gradient_w_job *job, int64_t at) {
    for (int64_t c = 0; c < job->channels; c += 16) {
        if (!job->first) __builtin_prefetch(job->out + 4 * (at + c), 1);
        if (job->last && job->window) __builtin_prefetch(job->window + at + c);
    }
}

OB_INLINE void finish(const ob_gradient_w_job *job, int64_t j, const __m512i sum_i32x16[4]) {
    OB_UNROLL
    for (int v = 0; v < 4; v++) {
        const __mmask16 live = ob_live(job->channels, 16 * v);
        const int64_t at = j * job->out_step + 16 * v;
        __m512i y_i32x16 = sum_i32x16[v];
        if (!job->first) y_i32x16 = _mm512_add_epi32(y_i32x16, _mm512_maskz_loadu_epi32(live, job->out + 4 * at));
        if (!job->last) {
            _mm512_mask_storeu_epi32(job->out + 4 * at, live, y_i32x16);
            continue;
        }
        y_i32x16 = _mm512_add_epi32(y_i32x16, _mm512_set1_epi32(job->base[j]));
        ob_store_gradient((float *)(void *)job->out + at, job->window ? job->window + at : NULL, live, y_i32x16,
                          job->steps[j]);
    }
}

void OB_GRADIENT_KERNEL(const ob_gradient_w_job *job) {
    for (int64_t j = 0; j < job->n; j += OB_PANEL_ROWS) {
        const unsigned char *block = job->blocks + j / OB_BLOCK_CHANNELS * job->block_bytes + j % OB_BLOCK_CHANNELS * 4;
        const unsigned char *const row[OB_PANEL_ROWS] = {block, block + 4, block + 8, block + 12};
        ob_sums s;
        for (int64_t r = 0; r < OB_PANEL_ROWS && j + r < job->n; r++) ask_for(job, (j + r) * job->out_step);
        ob_clear_sums(&s);
        ob_add_quads(&s, job->panel, row, job->quads, job->short_quads, 4 * OB_BLOCK_CHANNELS, 0);
        OB_UNROLL
        for (int r = 0; r < OB_PANEL_ROWS; r++)
            if (j + r < job->n) finish(job, j + r, s.of_i32x16[r]);
    }
}

OB_TARGET_END
