/* gradient_lookup_scalar.c: one number after the other, on any processor. The oracle of the other kernels. */
#include "../kernels.h"
#include "../sign_gradients/product_scalar.h"

static void neighbours(const unsigned char *bytes, int64_t step, int64_t count, int64_t terms, int16_t *tables,
                       int64_t tables_step) {
    for (int64_t place = 0; place < count; place++)
        for (int64_t first = 0; first < terms; first += OB_LOOKUP_TERMS)
            for (int i = 0; i < OB_LOOKUP_SUMS; i++) {
                int sum = 0;
                for (int k = 0; k < OB_LOOKUP_TERMS && first + k < terms; k++)
                    sum += (bytes[place * step + first + k] - 128) * (i >> k & 1 ? -1 : 1);
                tables[place * tables_step + first / OB_LOOKUP_TERMS * OB_LOOKUP_SUMS + i] = (int16_t)sum;
            }
}

static void spans(const unsigned char *quads, int64_t count, int16_t *tables) {
    for (int64_t first = 0; first < count; first += OB_LOOKUP_SPAN)
        for (int table = 0; table < 4; table++, tables += OB_LOOKUP_SUMS)
            for (int i = 0; i < OB_LOOKUP_SUMS; i++) {
                int sum = 0;
                for (int k = 0; k < OB_LOOKUP_TERMS; k++) {
                    const int64_t quad = first + (k < 4 ? table : 4);
                    const int place = k < 4 ? k : table;
                    if (quad < count && i >> k & 1) sum += (signed char)quads[64 * quad + place];
                }
                tables[i] = (int16_t)sum;
            }
}

static void indices(const unsigned char *words, const int32_t *starts, int64_t groups, int64_t lanes, uint16_t *to) {
    for (int64_t f = 0; f < groups; f++, starts += OB_LOOKUP_TERMS, to += lanes)
        for (int64_t lane = 0; lane < lanes; lane++) {
            unsigned index = 0;
            for (int k = 0; k < OB_LOOKUP_TERMS; k++)
                index |= (unsigned)(words[starts[k] + lane / 8] >> lane % 8 & 1) << k;
            to[lane] = (uint16_t)index;
        }
}

static void add(const ob_lookup_sums *job) {
    for (int64_t r = 0; r < job->count; r++)
        for (int64_t lane = 0; lane < job->lanes; lane++) {
            uint32_t sum = job->first ? 0 : (uint32_t)job->sums[r * job->lanes + lane];
            for (int64_t t = 0; t < job->taps; t++)
                for (int64_t f = 0; f < job->groups; f++) {
                    const int16_t *table = job->tables + (job->rows[r] + job->tap_at[t] + f) * OB_LOOKUP_SUMS;
                    sum += (uint32_t)table[job->indices[(t * job->groups + f) * job->lanes + lane]];
                }
            job->sums[r * job->lanes + lane] = (int32_t)sum;
        }
}

static void outside(const unsigned char *quads, const int32_t *list, int64_t count, int32_t *sums) {
    for (int64_t at = 0; at < count; at++)
        for (int j = 0; j < OB_BLOCK_CHANNELS; j++)
            for (int i = 0; i < 4; i++)
                if (list[at] >> i & 1) sums[j] += (signed char)quads[list[at] / 16 * 64 + 4 * j + i];
}

static void finish(const ob_lookup_row *row) {
    for (int64_t c = 0; c < row->channels; c++) {
        uint32_t sum = 0;
        for (int64_t p = 0; p < row->parts; p++) sum += (uint32_t)row->sums[p * row->part_step + c];
        sum = sum * (uint32_t)row->factor + (uint32_t)row->base;
        row->out[c] = ob_gradient_of((int32_t)sum, row->step, row->window, c);
    }
}

const ob_lookup_steps *ob_gradient_lookup_scalar(void) {
    static const ob_lookup_steps steps = {neighbours, spans, indices, add, outside, finish, 1};
    return &steps;
}
