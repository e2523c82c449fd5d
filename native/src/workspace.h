/* workspace.h: one block of memory, which the caller gives, laid out as parts that begin at cache lines. */
#ifndef ONEBIT_WORKSPACE_H
#define ONEBIT_WORKSPACE_H

#include <stdint.h>

#include "kernels.h"

enum { OB_ALIGNMENT = 64 };

/* Where the next part begins, of count * times values of `size` bytes; *total becomes SIZE_MAX if that is too much. */
OB_INLINE size_t ob_reserve(size_t *total, int64_t count, int64_t times, size_t size) {
    const size_t at = *total;
    size_t bytes;
    if (at == SIZE_MAX || __builtin_mul_overflow((size_t)count, (size_t)times, &bytes) ||
        __builtin_mul_overflow(bytes, size, &bytes) || bytes > SIZE_MAX / 4 - at)
        return *total = SIZE_MAX;
    *total = (at + bytes + OB_ALIGNMENT - 1) / OB_ALIGNMENT * OB_ALIGNMENT;
    return at;
}

/* Behind the last part: the caller's memory may stand at any address. */
OB_INLINE void ob_reserve_slack(size_t *total) {
    (void)ob_reserve(total, OB_ALIGNMENT, 1, 1);
}

#endif
