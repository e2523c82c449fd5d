/* by_class.h: the windows of a convolution as rows of words, in the picture as it lies.
 *
 * Padded taps are left out: windows are sorted by the taps that they have inside the picture (nine classes for 3x3,
 * padding 1), and those of one class are rows of one product. So nothing is copied, and a picture of 7x7 takes 361 of
 * 441 taps. What padding counts as, if not 0, is in the base of the class. */
#ifndef ONEBIT_BY_CLASS_H
#define ONEBIT_BY_CLASS_H

#include "../parts.h"
#include "../rows_of_words.h"

enum { OB_LISTED = 256 }; /* windows that are multiplied at once */

/* The windows of one class: output places [y->places) x [x->places), taps [y->taps) x [x->taps). */
typedef struct ob_class_windows {
    const ob_class *y, *x;
    const int32_t *base; /* or NULL */
    int64_t count;
    ob_product_row rows[OB_LISTED];
} ob_class_windows;

/* The words of a class, of the group that starts group_bytes behind a pixel's start. */
OB_INLINE ob_product_words ob_class_words(const ob_conv2d_job *job, const ob_class_windows *c, int64_t group_bytes) {
    const int32_t *const y = c->y->taps, *const x = c->x->taps;
    const int64_t down = y[1] - y[0], across = x[1] - x[0], slots = job->slots;
    const int together = job->tap_x == 8 * slots; /* neighbouring taps have neighbouring words */
    const int64_t words = !down ? 0 : together ? across * slots : across ? slots : 0, runs = together ? 1 : across;
    const int64_t x_row = (runs - 1) * job->tap_x + 8 * words, w_row = (runs - 1) * 64 * slots + 64 * words;
    return (ob_product_words){
        .x_at = group_bytes + y[0] * job->tap_y + x[0] * job->tap_x,
        .w_at = (y[0] * job->taps_x + x[0]) * slots * 64,
        .words = words,
        .runs = {down, runs},
        .x_gap = {job->tap_x - 8 * slots, job->tap_y - x_row},
        .w_gap = {0, job->taps_x * slots * 64 - w_row},
        .base = c->base,
        .k = down * across * job->group_c,
    };
}

/* Multiplies those listed with all channels of the part. */
OB_INLINE void ob_class_multiply(const ob_conv2d_job *job, const ob_dense_part *part, ob_class_windows *c,
                                 ob_rows_product *product) {
    const int64_t part_end = part->channel + part->channels;
    for (int64_t channel = part->channel; channel < part_end && c->count;) {
        const int64_t group = channel / job->group_n, group_end = (group + 1) * job->group_n;
        const int64_t end = group_end < part_end ? group_end : part_end;
        const ob_product_words words = ob_class_words(job, c, group * job->group_c / 8);
        product(&job->dense, c->rows, c->count, &words, channel, end);
        channel = end;
    }
    c->count = 0;
}

/* Columns [ox, end) of output line `line`, which is line oy of the picture at `image`. */
OB_INLINE void ob_class_list(const ob_conv2d_job *job, const ob_dense_part *part, ob_class_windows *c,
                             const unsigned char *image, int64_t line, int64_t oy, int64_t ox, int64_t end,
                             ob_rows_product *product) {
    const unsigned char *x = image + oy * job->stride_y + ox * job->stride_x;
    unsigned char *out = job->dense.out + (line * job->out_width + ox) * job->dense.out_bytes;
    for (; ox < end; ox++, x += job->stride_x, out += job->dense.out_bytes) {
        if (c->count == OB_LISTED) ob_class_multiply(job, part, c, product);
        c->rows[c->count++] = (ob_product_row){x, out};
    }
}

/* The part's windows of one class. */
static void ob_class_of_part(const ob_conv2d_job *job, const ob_dense_part *part, const ob_class *y, const ob_class *x,
                             const int32_t *base, ob_rows_product *product) {
    const int64_t width = job->out_width, height = job->out_height, pixels = width * height;
    const int64_t part_end = part->row + part->rows;
    const unsigned char *image = job->dense.x + part->row / pixels * job->image_bytes;
    ob_class_windows c; /* its rows are not cleared: there are many classes */
    c.y = y, c.x = x, c.base = base, c.count = 0;
    for (int64_t b = part->row / pixels; b * pixels < part_end; b++, image += job->image_bytes) {
        const int64_t first = part->row - b * pixels, past = part_end - b * pixels; /* pixels of this picture */
        const int64_t top = ob_most(y->places[0], first > 0 ? first / width : 0);
        const int64_t bottom = ob_least(y->places[1], past < pixels ? ob_parts(past, width) : height);
        for (int64_t oy = top; oy < bottom; oy++)
            ob_class_list(job, part, &c, image, b * height + oy, oy, ob_most(x->places[0], first - oy * width),
                          ob_least(x->places[1], past - oy * width), product);
    }
    ob_class_multiply(job, part, &c, product);
}

/* A whole part. Where the job copied the picture, padding counts as +1: then a window has all its taps there. */
OB_INLINE void ob_conv2d_by_class(const ob_conv2d_job *job, const ob_dense_part *part, ob_rows_product *product) {
    const ob_class y = {{0, (int32_t)job->taps_y}, {0, job->out_height}};
    const ob_class x = {{0, (int32_t)job->taps_x}, {0, job->out_width}};
    const int32_t *base = job->based ? job->base : NULL;
    if (!job->leaves_out) ob_class_of_part(job, part, &y, &x, NULL, product);
    for (int64_t a = 0; job->leaves_out && a < job->classes_y; a++)
        for (int64_t b = 0; b < job->classes_x; b++) {
            ob_class_of_part(job, part, &job->inside_y[a], &job->inside_x[b], base, product);
            if (base) base += job->base_step;
        }
}

#endif
