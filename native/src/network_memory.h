/* network_memory.h: one block of memory for everything that does not outlive a run. */
#ifndef ONEBIT_NETWORK_MEMORY_H
#define ONEBIT_NETWORK_MEMORY_H

#include <stddef.h>
#include <stdint.h>

/* `bytes` that are needed from step `first` to step `last`, both included; `at` is where they were put. */
typedef struct ob_span {
    size_t bytes, at;
    int32_t first, last;
} ob_span;

/* Puts every span at the lowest multiple of 64 where no other one is that is needed at the same time, the largest
 * first, and returns the size of the block; SIZE_MAX if it would be too large. order: room for `count` numbers. */
size_t ob_spans_place(ob_span *spans, int32_t count, int32_t *order);

#endif
