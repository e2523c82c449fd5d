/* unpack.c: ob_unpack_f32: checks, then the rows are shared out. */
#include "dispatch.h"
#include "parts.h"
#include "threads.h"

enum { TASK_VALUES = 1 << 16 }; /* as in pack.c */

typedef struct shared_job {
    ob_unpack_kernel *kernel;
    const uint64_t *words;
    float *x;
    int64_t rows, k, rows_per_task;
} shared_job;

static void rows_task(void *data, int64_t index) {
    const shared_job *s = data;
    const int64_t row = index * s->rows_per_task;
    s->kernel(s->words + row * ob_parts(s->k, 64), ob_least(s->rows_per_task, s->rows - row), s->k, s->x + row * s->k);
}

ob_status ob_unpack_f32(const uint64_t *words, int64_t rows, int64_t k, float *x, const ob_executor *executor) {
    ob_choice choice;
    if (rows < 0 || k < 1 || k > INT32_MAX || rows > INT64_MAX / 8 / k) return OB_ERROR_SIZE;
    ob_status status = ob_executor_check(executor);
    if (status) return status;
    if ((status = ob_resolve(OB_OP_unpack, NULL, 1, &choice))) return status;
    if (rows == 0) return OB_OK;
    if (!words || !x) return OB_ERROR_NULL;
    shared_job s = {(ob_unpack_kernel *)choice.kernel, words, x, rows, k, ob_parts(TASK_VALUES, k)};
    ob_run(executor, ob_parts(rows, s.rows_per_task), rows_task, &s);
    return OB_OK;
}
