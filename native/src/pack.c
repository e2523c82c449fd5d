/* pack.c: float rows to words and back: checks, then rows are shared out. */
#include "dispatch.h"
#include "kernels.h"
#include "threads.h"

enum { TASK_VALUES = 1 << 16 }; /* 256 KiB of floats: some 10 us, well above the cost of waking a thread */

typedef struct rows_job {
    ob_any_kernel *kernel;
    const void *from;
    void *to;
    int64_t rows, k, rows_per_task;
} rows_job;

static int64_t rows_of(const rows_job *job, int64_t index) {
    const int64_t left = job->rows - index * job->rows_per_task;
    return left < job->rows_per_task ? left : job->rows_per_task;
}

static void pack_task(void *data, int64_t index) {
    const rows_job *job = data;
    const int64_t row = index * job->rows_per_task, words = (job->k + 63) / 64;
    ((ob_pack_kernel *)job->kernel)((const float *)job->from + row * job->k, rows_of(job, index), job->k,
                                    (uint64_t *)job->to + row * words);
}

static void unpack_task(void *data, int64_t index) {
    const rows_job *job = data;
    const int64_t row = index * job->rows_per_task, words = (job->k + 63) / 64;
    ((ob_unpack_kernel *)job->kernel)((const uint64_t *)job->from + row * words, rows_of(job, index), job->k,
                                      (float *)job->to + row * job->k);
}

static ob_status run(ob_op op, ob_task *task, const void *from, int64_t rows, int64_t k, void *to,
                     const ob_executor *executor) {
    rows_job job = {.from = from, .to = to, .rows = rows, .k = k};
    if (rows < 0 || k < 1 || k > INT32_MAX || rows > INT64_MAX / 8 / k) return OB_ERROR_SIZE;
    ob_status status = ob_executor_check(executor);
    if (status) return status;
    ob_choice choice;
    if ((status = ob_resolve(op, NULL, 1, &choice))) return status;
    job.kernel = choice.kernel;
    if (rows == 0) return OB_OK;
    if (!from || !to) return OB_ERROR_NULL;
    job.rows_per_task = (TASK_VALUES + k - 1) / k;
    ob_run(executor, (rows + job.rows_per_task - 1) / job.rows_per_task, task, &job);
    return OB_OK;
}

ob_status ob_pack_f32(const float *x, int64_t rows, int64_t k, uint64_t *words, const ob_executor *executor) {
    return run(OB_OP_pack, pack_task, x, rows, k, words, executor);
}

ob_status ob_unpack_f32(const uint64_t *words, int64_t rows, int64_t k, float *x, const ob_executor *executor) {
    return run(OB_OP_unpack, unpack_task, words, rows, k, x, executor);
}
