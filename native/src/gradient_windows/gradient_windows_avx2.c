/* gradient_windows_avx2.c: gradient_windows.h, compiled for it. */
#if defined(__x86_64__)
#include "../target.h"

OB_TARGET_BEGIN(OB_TARGET_AVX2)
#include "gradient_windows.h"

const ob_window_steps *ob_gradient_windows_avx2(void) {
    return &ob_steps_of_windows;
}

OB_TARGET_END
#endif
