/* running_xor.h: rows as running exclusive ors: word i becomes the exclusive or of words 0 to i. */
#ifndef ONEBIT_RUNNING_XOR_H
#define ONEBIT_RUNNING_XOR_H

#include "kernels.h"

/* One row: past `words` words the last one is repeated up to `padded`, as if words of x were 0. x may be `to`. */
OB_INLINE void ob_running_xor(const unsigned char *x, int64_t words, int64_t padded, unsigned char *to) {
    uint64_t running = 0;
    for (int64_t word = 0; word < padded; word++) {
        if (word < words) running ^= ob_load_u64(x + 8 * word);
        memcpy(to + 8 * word, &running, sizeof running);
    }
}

#endif
