/* lookup.h: gradients by sums that are looked up, see lookup.c. */
#ifndef ONEBIT_SIGN_GRADIENTS_LOOKUP_H
#define ONEBIT_SIGN_GRADIENTS_LOOKUP_H

#include <stdatomic.h>

#include "call.h"

enum {
    OB_LOOKUP_SPAN_POSITIONS = 4 * OB_LOOKUP_SPAN, /* and tables of a span: 4 */
    OB_LOOKUP_PART_SPANS = 12,                     /* of a part of w: 48 tables, OB_LOOKUP_MOST at most */
    OB_LOOKUP_PART_TABLES = 4 * OB_LOOKUP_PART_SPANS,
    OB_LOOKUP_PART_POSITIONS = OB_LOOKUP_SPAN_POSITIONS * OB_LOOKUP_PART_SPANS,
};

/* Offsets are from the workspace. A block: up to OB_LOOKUP_LANES channels c. */
typedef struct ob_lookup_job {
    ob_gradients_job job;
    const ob_lookup_steps *steps;
    int64_t blocks, words_step; /* words_step: bytes of one place of x or w */
    /* x: groups of channels n in parts of part_groups; a strip is some pictures, or some rows of one */
    int64_t groups, parts, part_groups;
    int64_t strip_pictures, strip_rows, strips_down, strips, strip_places, strip_count;
    int64_t splits; /* 1, or `blocks`: units of a strip */
    /* w: channels n in sets of set_rows, positions in parts, parts in segments */
    int64_t tall, wide; /* of x's words with padding around them */
    int64_t sets, set_rows, w_parts, segments;
    size_t tap_at, zero;    /* (taps) int64: tables from a place to that of a tap; one 0 */
    size_t w_indices;       /* [blocks][parts][taps][part_groups][lanes] uint16 */
    size_t words, starts;   /* x with its padding; (positions by spans) int32 in terms' order */
    size_t outside, counts; /* (taps, picture) int32 and (taps) int64: quads of a cycle of 4 pictures, positions under
                               which a tap is outside: 16 * quad + which */
    size_t left_out;        /* (taps, channels n by 16) int32: the sums of q at such positions */
    size_t sums;            /* [segments][units][taps][set_rows][lanes] int32, if there are several segments */
    size_t slot, slot_bytes;
    size_t total;
    int64_t slots, w_units, units;
    atomic_llong next;
} ob_lookup_job;

#define OB_LOOKUP_AT(l, type, offset) ((type *)(void *)((l)->job.work + (l)->offset))

OB_INLINE int64_t ob_lookup_lanes(const ob_lookup_job *l, int64_t block) {
    const int64_t left = l->job.call->c - block * OB_LOOKUP_LANES;
    return left >= OB_LOOKUP_LANES ? OB_LOOKUP_LANES : (left + 31) / 32 * 32;
}

/* lookup_x.c: indices of a part of one block, then both of a unit: a strip, or one block of it. */
void ob_lookup_w_indices(const ob_lookup_job *l, int64_t index);
void ob_lookup_x(const ob_lookup_job *l, int64_t unit, unsigned char *slot);
/* lookup_w.c: a picture of x; a tap's positions outside; their sums in 16 channels n; a unit: a set of channels n at a
 * block of channels c and a segment; what is left to do where there are several segments. */
void ob_lookup_words(const ob_lookup_job *l, int64_t picture);
void ob_lookup_outside(const ob_lookup_job *l, int64_t tap);
void ob_lookup_left_out(const ob_lookup_job *l, int64_t block);
void ob_lookup_w(const ob_lookup_job *l, int64_t unit, unsigned char *slot);
void ob_lookup_join(const ob_lookup_job *l, int64_t index);

/* Whether a call can go this way, and the workspace it takes. */
int ob_lookup_plan(const ob_sign_gradients_call *call, ob_lookup_job *l);
void ob_lookup_gradients(ob_lookup_job *l, const ob_gradients_job *outer);

#endif
