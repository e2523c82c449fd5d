/* dense.h: a dense product after its preparation. */
#ifndef ONEBIT_DENSE_H
#define ONEBIT_DENSE_H

#include "dispatch.h"

/* ob_dense or ob_dense_u8; base: what ob_dense_job says. A call with m = 0 is checked and does nothing. */
ob_status ob_dense_run(const ob_dense_call *call, ob_op op, const int32_t *base);

#endif
