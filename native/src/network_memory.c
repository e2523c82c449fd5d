/* network_memory.c: see network_memory.h. The largest first: small ones find gaps, and the sum stays near the most that
 * is needed at once. */
#include "network_memory.h"

enum { LINE = 64 };

static int meet(const ob_span *a, const ob_span *b) {
    return a->first <= b->last && b->first <= a->last;
}

/* By size, those of equal size in their order. */
static void sort(const ob_span *spans, int32_t count, int32_t *order) {
    for (int32_t i = 0; i < count; i++) {
        int32_t at = i;
        for (; at > 0 && spans[order[at - 1]].bytes < spans[i].bytes; at--) order[at] = order[at - 1];
        order[at] = i;
    }
}

size_t ob_spans_place(ob_span *spans, int32_t count, int32_t *order) {
    size_t total = 0;
    sort(spans, count, order);
    for (int32_t i = 0; i < count; i++) {
        ob_span *s = &spans[order[i]];
        if (s->bytes > SIZE_MAX / 4) return SIZE_MAX;
        s->bytes = (s->bytes + LINE - 1) / LINE * LINE;
        s->at = 0;
        for (int32_t j = 0; j < i; j++) { /* past the one that is in the way, and look again from the start */
            const ob_span *other = &spans[order[j]];
            if (!meet(s, other) || s->at >= other->at + other->bytes || other->at >= s->at + s->bytes) continue;
            s->at = other->at + other->bytes;
            j = -1;
        }
        if (s->at > SIZE_MAX / 4 - s->bytes) return SIZE_MAX;
        if (s->at + s->bytes > total) total = s->at + s->bytes;
    }
    return total;
}
