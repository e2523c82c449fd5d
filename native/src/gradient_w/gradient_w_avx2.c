/* gradient_w_avx2.c: 4 channels n of w's gradient x 16 channels c, by product_avx2.h: rows are signed bytes of the
 * gradient, the panel is x. */
#if defined(__x86_64__)
#include "../target.h"

OB_TARGET_BEGIN(OB_TARGET_AVX2)
#include "../sign_gradients/product_avx2.h"

OB_INLINE void finish(const ob_gradient_w_job *job, int64_t j, int64_t c, __m256i sum_i32x8) {
    const __m256i live = ob_live(job->channels, c);
    const int64_t at = j * job->out_step + c;
    int *const out = (int *)(void *)(job->out + 4 * at);
    if (!job->first) sum_i32x8 = _mm256_add_epi32(sum_i32x8, _mm256_maskload_epi32(out, live));
    if (!job->last) {
        _mm256_maskstore_epi32(out, live, sum_i32x8);
        return;
    }
    sum_i32x8 = _mm256_add_epi32(sum_i32x8, _mm256_set1_epi32(job->base[j]));
    ob_store_gradient((float *)(void *)job->out + at, job->window ? job->window + at : NULL, live, sum_i32x8,
                      job->steps[j]);
}

static void tile(const ob_gradient_w_job *job, int64_t j, int part) {
    const unsigned char *block = job->blocks + j / OB_BLOCK_CHANNELS * job->block_bytes + j % OB_BLOCK_CHANNELS * 4;
    const unsigned char *const row[OB_PANEL_ROWS] = {block, block + 4, block + 8, block + 12};
    __m256i sum[OB_PANEL_ROWS][2];
    OB_UNROLL
    for (int r = 0; r < OB_PANEL_ROWS; r++) sum[r][0] = sum[r][1] = _mm256_setzero_si256();
    ob_add_quads(sum, job->panel + OB_PART_BYTES * part, row, job->quads, job->short_quads, 4 * OB_BLOCK_CHANNELS, 0);
    OB_UNROLL
    for (int r = 0; r < OB_PANEL_ROWS; r++) {
        if (j + r >= job->n) break;
        OB_UNROLL
        for (int v = 0; v < 2; v++) finish(job, j + r, 16 * part + 8 * v, sum[r][v]);
    }
}

void ob_gradient_w_avx2(const ob_gradient_w_job *job) {
    for (int64_t j = 0; j < job->n; j += OB_PANEL_ROWS)
        for (int part = 0; part < OB_PARTS_OF_PANEL && 16 * part < job->channels; part++) tile(job, j, part);
}

OB_TARGET_END

#endif
