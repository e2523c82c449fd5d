/* conv2d_plan.c: the checks and the arithmetic of conv2d_plan.h. */
#include "conv2d_plan.h"

#include "conv_weights.h"
#include "parts.h"
#include "workspace.h"

enum {
    READ_PAST = 64, /* a kernel may read so far past the end of the padded picture */
    MOST_UNIT = 64, /* 2 * 255 * 64 fits 16 bits: two products may be added there */
};

ob_status ob_axis_make(int64_t size, int32_t kernel, int32_t stride, const int32_t padding[2], int32_t dilation,
                       ob_axis *axis) {
    if (size < 1 || size > INT32_MAX) return OB_ERROR_SIZE;
    if (kernel < 1 || stride < 1 || dilation < 1 || padding[0] < 0 || padding[1] < 0) return OB_ERROR_WINDOW;
    const int64_t room = size + padding[0] + padding[1] - (int64_t)dilation * (kernel - 1) - 1;
    if (room < 0) return OB_ERROR_WINDOW;
    *axis = (ob_axis){size, kernel, stride, padding[0], padding[1], dilation, room / stride + 1, 1};
    return OB_OK;
}

void ob_axis_taps(const ob_axis *axis, int64_t place, int32_t taps[2]) {
    const int64_t start = place * axis->stride - axis->before, left = axis->size - start;
    const int64_t first = start < 0 ? ob_parts(-start, axis->dilation) : 0;
    const int64_t past = left > 0 ? ob_parts(left, axis->dilation) : 0; /* not below first: the size is not negative */
    taps[0] = (int32_t)ob_least(first, axis->kernel);
    taps[1] = (int32_t)ob_least(past, axis->kernel);
}

static ob_status check_sums(const ob_conv2d_call *call, ob_conv2d_plan *p) {
    p->nothing = p->u8 ? 0 : (uint32_t)p->k;
    p->all = p->u8 ? (uint32_t)call->offset : 0;
    p->outside = (uint32_t)call->pad_value - (p->u8 ? (uint32_t)call->offset : 1); /* a zero bit counts as +1 */
    if (!p->u8) return OB_OK;
    p->unit = call->multiplier <= MOST_UNIT && call->multiplier >= -MOST_UNIT ? call->multiplier : 1;
    const int64_t low = call->offset, high = low + (int64_t)255 * call->multiplier;
    const int64_t largest = ob_most(ob_most(low < 0 ? -low : low, high < 0 ? -high : high), 1);
    return largest > INT32_MAX / p->k ? OB_ERROR_SIZE : OB_OK;
}

static void lay_out(const ob_conv2d_call *call, ob_conv2d_plan *p) {
    const int64_t lines = ob_parts(call->n, 8);
    const int64_t height = p->y.size + p->y.before + p->y.after, width = p->x.size + p->x.before + p->x.after;
    int64_t row, image, all; /* bytes of the padded picture and of all of them */
    if (__builtin_mul_overflow(width, p->pixel_bytes, &row) || __builtin_mul_overflow(height, row, &image) ||
        __builtin_mul_overflow(image, call->batch, &all) || all > INT64_MAX / 16 ||
        p->y.classes > INT32_MAX / p->x.classes) {
        p->total = SIZE_MAX;
        return;
    }
    p->picture_bytes = all;
    p->base_step = ob_round_up(call->n, 64);
    p->base = ob_reserve(&p->total, p->leaves_out && !p->based ? 0 : p->y.classes * p->x.classes, p->base_step, 4);
    p->class_y = ob_reserve(&p->total, p->y.out, 1, 4);
    p->class_x = ob_reserve(&p->total, p->x.out, 1, 4);
    p->inside_y = ob_reserve(&p->total, p->y.classes, 1, sizeof(ob_class));
    p->inside_x = ob_reserve(&p->total, p->x.classes, 1, sizeof(ob_class));
    p->sums = ob_reserve(&p->total, p->counted ? lines * 8 : 0, p->taps, 4);
    p->zeros = ob_reserve(&p->total, p->counted ? p->slots : 0, 1, 8);
    p->outside_words = ob_reserve(&p->total, p->worded ? p->slots : 0, 1, 8);
    p->places = ob_reserve(&p->total, p->plain && !p->leaves_out ? p->steps : 0, 1, 8);
    p->bytes = ob_reserve(&p->total, p->u8 && p->plain ? ob_parts(call->n, 16) : 0, p->steps, 64);
    p->picture = ob_reserve(&p->total, p->padded ? all + READ_PAST : 0, 1, 1);
    ob_reserve_slack(&p->total);
}

/* Places of one class have the same taps inside the picture: all those of windows that are inside, and at most each of
 * the others is one of its own. */
static void count_axis(ob_axis *a) {
    const int64_t crossing = ob_parts(a->before, a->stride) + ob_parts(a->after, a->stride);
    a->classes = ob_least(ob_least(a->out, 2 * a->kernel + 1), crossing + 1);
}

static void count_classes(ob_conv2d_plan *p) {
    count_axis(&p->y), count_axis(&p->x);
}

void ob_conv2d_plan_leave_out(const ob_conv2d_call *call, ob_padding how, ob_conv2d_plan *p) {
    const int counts = p->padded && call->pad_value;
    if (!p->plain || p->u8 || how == OB_PADDING_COPIED) return;
    p->leaves_out = 1;
    p->based = counts && how == OB_PADDING_BASES;
    p->worded = counts && how == OB_PADDING_WORDS;
    if (p->padded) count_classes(p);
    p->outside = (uint32_t)call->pad_value;
    p->padded = 0;
    p->counted = p->based;
    p->total = 0;
    lay_out(call, p);
}

/* Bytes of workspace if the kernel takes padding so. */
static size_t total_of(const ob_conv2d_call *call, ob_padding how, const ob_conv2d_plan *p) {
    ob_conv2d_plan other = *p;
    ob_conv2d_plan_leave_out(call, how, &other);
    return other.total;
}

ob_status ob_conv2d_plan_make(const ob_conv2d_call *call, int u8, ob_conv2d_plan *p) {
    *p = (ob_conv2d_plan){.u8 = u8};
    if (!call) return OB_ERROR_NULL;
    ob_status status = ob_conv_sizes_check(call->n, call->c, call->groups, call->kernel);
    const int32_t *pad = call->padding, *step = call->dilation;
    if (!status) status = ob_axis_make(call->height, call->kernel[0], call->stride[0], pad, step[0], &p->y);
    if (!status) status = ob_axis_make(call->width, call->kernel[1], call->stride[1], pad + 2, step[1], &p->x);
    if (status) return status;
    if (call->pad_value < -1 || call->pad_value > 1) return OB_ERROR_PAD_VALUE;
    const int64_t group_c = call->c / call->groups, group_n = call->n / call->groups;
    const int one_group = call->groups == 1, whole_rows = one_group && call->dilation[1] == 1;
    p->taps = p->y.kernel * p->x.kernel;
    p->k = p->taps * group_c;
    p->slots = ob_conv_slots(call->c, call->groups);
    p->plain = one_group || (group_n % 16 == 0 && (u8 || group_c % 64 == 0));
    p->pixel_bytes = u8 ? call->c : ob_parts(call->c, 64) * 8;
    p->run = (whole_rows ? p->x.kernel : 1) * (u8 ? group_c : p->slots);
    p->runs_x = whole_rows ? 1 : p->x.kernel;
    p->run_steps = u8 ? ob_parts(p->run, 4) : p->run;
    p->steps = p->y.kernel * p->runs_x * p->run_steps;
    if ((status = check_sums(call, p))) return status;
    const int any_padding = p->y.before || p->y.after || p->x.before || p->x.after;
    p->padded = u8 || any_padding;
    p->counted = p->all || (p->outside && any_padding);
    if (p->outside && any_padding) count_classes(p);
    int64_t m, pixels; /* the output's bytes must fit as well */
    if (call->batch < 0 || __builtin_mul_overflow(p->y.out, p->x.out, &pixels) ||
        __builtin_mul_overflow(pixels, call->batch, &m) || m > INT64_MAX / 64 / call->n)
        return OB_ERROR_SIZE;
    lay_out(call, p);
    const size_t bases = total_of(call, OB_PADDING_BASES, p), words = total_of(call, OB_PADDING_WORDS, p);
    p->asked = p->total > bases ? p->total : bases;
    if (p->asked < words) p->asked = words;
    return p->asked == SIZE_MAX ? OB_ERROR_SIZE : OB_OK;
}
