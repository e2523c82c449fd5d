/* parts.c: the rule of parts.h. */
#include "parts.h"

enum {
    TASKS_PER_THREAD = 4, /* so that a thread that is held up by another program delays only a quarter */
    ROWS_BYTES = 1 << 18, /* 256 KiB */
    ROWS_ENOUGH = 64,     /* of a part: what a kernel does once per panel of channels is then little */
};

ob_cut ob_cut_output(const ob_work *work, int64_t threads, int64_t task_macs) {
    ob_cut cut = {.m = work->m, .n = work->n};
    const int64_t macs_per_row = work->n * work->k; /* below 2^62 */
    const int64_t most_parts =
        work->m > INT64_MAX / macs_per_row ? INT64_MAX : ob_parts(work->m * macs_per_row, task_macs);
    const int64_t wanted = threads == 1 ? 1 : ob_least(threads * TASKS_PER_THREAD, most_parts);
    const int64_t blocks = ob_parts(work->n, 64);
    cut.rows_per_part = ob_least(work->m, ob_round_up(ob_most(ROWS_BYTES / work->x_bytes, 1), work->part_rows));
    const int64_t least = ob_parts(work->m, wanted), rows = ob_round_up(least, work->part_rows);
    const int by_rows = least >= ROWS_ENOUGH && rows - least <= least / 16; /* else the last part is too small */
    const int64_t in_rows = by_rows ? wanted : ob_parts(work->m, cut.rows_per_part);
    const int64_t pieces = ob_least(blocks, ob_parts(wanted, in_rows));
    cut.channels_per_part = ob_parts(blocks, pieces) * 64;
    cut.channel_parts = ob_parts(work->n, cut.channels_per_part);
    const int64_t row_parts = ob_parts(wanted, cut.channel_parts);
    cut.rows_per_part = ob_least(cut.rows_per_part, ob_round_up(ob_parts(work->m, row_parts), work->part_rows));
    cut.parts = ob_parts(work->m, cut.rows_per_part) * cut.channel_parts;
    return cut;
}

ob_dense_part ob_part_of(const ob_cut *cut, int64_t index) {
    ob_dense_part part;
    part.row = index / cut->channel_parts * cut->rows_per_part;
    part.rows = ob_least(cut->rows_per_part, cut->m - part.row);
    part.channel = index % cut->channel_parts * cut->channels_per_part;
    part.channels = ob_least(cut->channels_per_part, cut->n - part.channel);
    return part;
}

ob_status ob_directions_check(const int8_t *direction, int64_t n) {
    int wrong = 0;
    for (int64_t j = 0; j < n; j++) wrong |= (direction[j] != 1) & (direction[j] != -1);
    return wrong ? OB_ERROR_DIRECTION : OB_OK;
}

ob_status ob_epilogue_check(const ob_epilogue *e, int64_t n) {
    if (!e) return OB_ERROR_NULL;
    if (e->output == OB_OUTPUT_INT32) return OB_OK;
    if (e->output == OB_OUTPUT_BITS)
        return e->threshold && e->direction ? ob_directions_check(e->direction, n) : OB_ERROR_OUTPUT;
    if (e->output != OB_OUTPUT_FLOAT && e->output != OB_OUTPUT_FLOAT_BITS) return OB_ERROR_OUTPUT;
    if (!e->scale || !e->bias) return OB_ERROR_OUTPUT;
    if (e->activation < OB_ACTIVATION_NONE || e->activation > OB_ACTIVATION_PRELU) return OB_ERROR_OUTPUT;
    if (e->activation == OB_ACTIVATION_CLAMP && (!e->low || !e->high)) return OB_ERROR_OUTPUT;
    if (e->activation == OB_ACTIVATION_PRELU && !e->slope) return OB_ERROR_OUTPUT;
    if (e->output == OB_OUTPUT_FLOAT) return OB_OK;
    return e->float_threshold && e->direction ? ob_directions_check(e->direction, n) : OB_ERROR_OUTPUT;
}

int ob_outputs_are_there(const void *out, const ob_epilogue *e) {
    return out && (e->output != OB_OUTPUT_FLOAT_BITS || e->bits);
}
