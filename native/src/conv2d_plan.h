/* conv2d_plan.h: the geometry of one convolution, and where everything stands in its workspace. */
#ifndef ONEBIT_CONV2D_PLAN_H
#define ONEBIT_CONV2D_PLAN_H

#include "kernels.h"

/* One axis. Taps [first, past) of the kernel fall into the picture; output places with the same taps are one class.
 * Both ends fall as the window moves on, so the places of a class are neighbours and there are 2 * kernel + 1 at most.
 */
typedef struct ob_axis {
    int64_t size, kernel, stride, before, after, dilation;
    int64_t out, classes; /* classes: an upper bound; 1 where nothing depends on them */
} ob_axis;

typedef struct ob_conv2d_plan {
    ob_axis y, x;
    int u8, plain, padded; /* padded: the kernels read a copy of the picture with zeros around it */
    int leaves_out;        /* the kernel reads the caller's picture, see ob_conv2d_job */
    int based, worded;     /* leaves_out: padding is in the bases, or is a row of words */
    int64_t k, taps, slots, pixel_bytes;
    int64_t run, runs_x;            /* a window's row of taps is runs_x runs of `run` neighbouring words (or bytes) */
    int64_t run_steps, steps;       /* words, or groups of 4 bytes, of one run and of a window */
    uint32_t all, outside, nothing; /* base = nothing + all * (sum of w) + outside * (sum of w of the padded taps) */
    int32_t unit; /* u8: what the expanded weights multiply by already: the multiplier if it is small enough, or 1 */
    int counted;  /* sums of w are needed */
    int64_t base_step, picture_bytes;
    size_t base, class_y, class_x, inside_y, inside_x, sums, zeros, outside_words, places, picture,
        bytes;           /* offsets into the workspace */
    size_t total, asked; /* asked: of the caller, whatever the kernel needs */
} ob_conv2d_plan;

/* Checks sizes, window, groups and pad value, and fills the plan. */
ob_status ob_conv2d_plan_make(const ob_conv2d_call *call, int u8, ob_conv2d_plan *plan);
/* How a kernel that reads the caller's picture takes padding that is not 0. */
typedef enum ob_padding { OB_PADDING_COPIED, OB_PADDING_BASES, OB_PADDING_WORDS } ob_padding;
/* For a kernel that can leave out padded taps: lets it, where neighbouring channels share their words. */
void ob_conv2d_plan_leave_out(const ob_conv2d_call *call, ob_padding how, ob_conv2d_plan *plan);
/* The number of output places: OB_ERROR_WINDOW if there is none. */
ob_status ob_axis_make(int64_t size, int32_t kernel, int32_t stride, const int32_t padding[2], int32_t dilation,
                       ob_axis *axis);
/* The taps of output place `place` that fall into the picture: [taps[0], taps[1]). */
void ob_axis_taps(const ob_axis *axis, int64_t place, int32_t taps[2]);

#endif
