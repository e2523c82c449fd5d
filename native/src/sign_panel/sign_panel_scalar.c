/* sign_panel_scalar.c: one byte after the other, on any processor. The oracle of the other kernels. */
#include "../kernels.h"

void ob_sign_panel_scalar(const unsigned char *const *words, int64_t quads, const signed char fill[3],
                          unsigned char *panel) {
    for (int64_t term = 0; term < 4 * quads; term++) {
        const uint64_t word = words[term] ? ob_load_u64(words[term]) : 0;
        unsigned char *to = panel + term / 4 * OB_QUAD_BYTES + term % 4;
        for (int c = 0; c < OB_PANEL_CHANNELS; c++)
            to[4 * c] = (unsigned char)(words[term] ? fill[word >> c & 1] : fill[2]);
    }
}
