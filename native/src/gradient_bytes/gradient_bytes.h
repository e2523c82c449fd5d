/* gradient_bytes.h: what the kernels of gradient_bytes share: where a position's bytes stand. */
#ifndef ONEBIT_GRADIENT_BYTES_H
#define ONEBIT_GRADIENT_BYTES_H

#include "../kernels.h"

/* The place of a position in the padded pictures. */
OB_INLINE unsigned char *ob_gradient_place(const ob_gradient_bytes_job *job, int64_t position) {
    const int64_t picture = position / job->picture_positions, inside = position % job->picture_positions;
    return job->pictures + picture * job->picture_bytes + inside / job->width * job->row_bytes +
           inside % job->width * job->place_bytes;
}

#endif
