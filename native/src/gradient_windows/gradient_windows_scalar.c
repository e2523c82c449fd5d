/* gradient_windows_scalar.c: gradient_windows.h for any processor. */
#include "gradient_windows.h"

const ob_window_steps *ob_gradient_windows_scalar(void) {
    return &ob_steps_of_windows;
}
