/* gradient_windows.h: the steps of pooled.c that go over bytes and floats one by one. Plain C that compilers vectorise,
 * compiled for each instruction set by the files beside it, inside a target region. Bottleneck: the first caches. */
#include "../kernels.h"

/* The four places of a window, at most one of which is not 0: its value, and where it stands. */
static int32_t ob_windows_take(const ob_window_row *row, float *restrict values, unsigned char *restrict which) {
    int32_t several = 0;
    for (int64_t i = 0; i < row->windows; i++, values += row->n, which += row->place_bytes) {
        const float *restrict a = row->g + 2 * i * row->n, *restrict b = a + row->n;
        const float *restrict c = a + row->row_values, *restrict d = c + row->n;
        for (int64_t j = 0; j < row->n; j++) {
            const int32_t of_a = a[j] != 0, of_b = b[j] != 0, of_c = c[j] != 0, of_d = d[j] != 0;
            several |= of_a + of_b + of_c + of_d > 1;
            values[j] = (a[j] + b[j]) + (c[j] + d[j]);
            which[j] = (unsigned char)(2 * (of_c | of_d) + (of_b | of_d));
        }
        if (several) return 1;
    }
    return 0;
}

static int32_t ob_windows_any(const float *g, int64_t count) {
    int32_t any = 0;
    for (int64_t i = 0; i < count; i++) any |= g[i] != 0;
    return any;
}

static void ob_windows_largest(const ob_window_row *row, float *restrict values, unsigned char *restrict which) {
    for (int64_t i = 0; i < row->windows; i++, values += row->n, which += row->place_bytes) {
        const float *restrict a = row->g + 2 * i * row->n, *restrict b = a + row->n;
        const float *restrict c = a + row->row_values, *restrict d = c + row->n;
        for (int64_t j = 0; j < row->n; j++) {
            const int32_t upper_right = b[j] > a[j], lower_right = d[j] > c[j];
            const float upper = upper_right ? b[j] : a[j], lower = lower_right ? d[j] : c[j];
            const int32_t below = lower > upper;
            values[j] = below ? lower : upper;
            which[j] = (unsigned char)(2 * below + (below ? lower_right : upper_right));
        }
    }
}

/* What a factor does to a value at the first or the second place of an axis (`second`: 0 or 255). */
typedef struct ob_factor {
    unsigned char flip, always, turn; /* kept where (second ^ flip) | always; sign changed where ~second & turn */
} ob_factor;

static const ob_factor ob_factors[OB_WINDOW_FACTORS] = {
    [OB_SECOND] = {0, 0, 0}, [OB_SUM] = {0, 255, 0}, [OB_DIFFERENCE] = {0, 255, 255}, [OB_FIRST] = {255, 0, 0}};

/* 255 where a plane keeps a value that stands at a place of its window, and where it changes its sign; else 0. */
OB_INLINE unsigned char ob_window_keeps(int64_t plane, unsigned char place) {
    const ob_factor y = ob_factors[plane / OB_WINDOW_FACTORS], x = ob_factors[plane % OB_WINDOW_FACTORS];
    const unsigned char lower = (unsigned char)-(place >> 1), right = (unsigned char)-(place & 1);
    return ((lower ^ y.flip) | y.always) & ((right ^ x.flip) | x.always);
}
OB_INLINE unsigned char ob_window_turns(int64_t plane, unsigned char place) {
    const ob_factor y = ob_factors[plane / OB_WINDOW_FACTORS], x = ob_factors[plane % OB_WINDOW_FACTORS];
    const unsigned char lower = (unsigned char)-(place >> 1), right = (unsigned char)-(place & 1);
    return (unsigned char)((~lower & y.turn) ^ (~right & x.turn));
}

static void ob_windows_plane(const unsigned char *restrict q, const unsigned char *restrict which, int64_t count,
                             int64_t plane, int32_t zero, unsigned char *restrict out) {
    const unsigned char bias = (unsigned char)zero;
    for (int64_t i = 0; i < count; i++) {
        const unsigned char keep = ob_window_keeps(plane, which[i]), turn = ob_window_turns(plane, which[i]);
        const unsigned char value = (unsigned char)(((q[i] ^ bias) ^ turn) - turn);
        out[i] = (value & keep) ^ bias;
    }
}

static void ob_windows_weights(const signed char *restrict a, const signed char *restrict b,
                               const signed char *restrict c, int64_t count, int64_t factor,
                               signed char *restrict out) {
    if (factor == OB_SECOND)
        for (int64_t i = 0; i < count; i++) out[i] = (signed char)(2 * c[i]);
    else if (factor == OB_FIRST)
        for (int64_t i = 0; i < count; i++) out[i] = (signed char)(2 * a[i]);
    else if (factor == OB_SUM)
        for (int64_t i = 0; i < count; i++) out[i] = (signed char)(a[i] + b[i] + c[i]);
    else
        for (int64_t i = 0; i < count; i++) out[i] = (signed char)(a[i] - b[i] + c[i]);
}

static void ob_windows_inputs(const signed char *const in[4], int64_t count, const int32_t down, const int32_t side,
                              unsigned char *restrict out) {
    const signed char *restrict a = in[0], *restrict b = in[1], *restrict c = in[2], *restrict d = in[3];
    const signed char turn_side = (signed char)(side ? -1 : 0), turn_down = (signed char)(down ? -1 : 0);
    for (int64_t i = 0; i < count; i++) {
        const signed char upper = (signed char)(a[i] + ((b[i] ^ turn_side) - turn_side));
        const signed char under = (signed char)(c[i] + ((d[i] ^ turn_side) - turn_side));
        out[i] = (unsigned char)(OB_WINDOW_ZERO + upper + ((under ^ turn_down) - turn_down));
    }
}

static void ob_windows_sums(const unsigned char *blocks, int64_t quads, int32_t *restrict sums) {
    for (int64_t q = 0; q < quads; q++, blocks += 4 * OB_BLOCK_CHANNELS) {
        uint32_t four[OB_BLOCK_CHANNELS];
        memcpy(four, blocks, sizeof four);
        for (int j = 0; j < OB_BLOCK_CHANNELS; j++)
            sums[j] += ((int32_t)(four[j] << 24) >> 24) + ((int32_t)(four[j] << 16) >> 24) +
                       ((int32_t)(four[j] << 8) >> 24) + ((int32_t)four[j] >> 24);
    }
}

/* g where the window's value is from -1 to 1, else 0: by a mask, because compilers do not vectorise a choice that they
 * may skip g's arithmetic for. */
OB_INLINE float ob_window_passes(float g, float value) {
    uint32_t bits;
    memcpy(&bits, &g, sizeof bits);
    bits &= -(uint32_t)((value <= 1.0f) & (value >= -1.0f));
    memcpy(&g, &bits, sizeof g);
    return g;
}

static void ob_windows_join(const float *const in[4], int64_t count, float sign, float *restrict out) {
    const float *restrict a = in[0], *restrict b = in[1], *restrict c = in[2], *restrict d = in[3];
    for (int64_t i = 0; i < count; i++) out[i] = (a[i] - b[i]) + (c[i] + sign * d[i]);
}

static void ob_windows_finish_x(const float *const in[4], int64_t channels, float sign, float step,
                                const float *restrict window, float *restrict out) {
    const float *restrict a = in[0], *restrict b = in[1], *restrict c = in[2], *restrict d = in[3];
    if (window)
        for (int64_t i = 0; i < channels; i++) {
            const float g = ((a[i] - b[i]) + (c[i] + sign * d[i])) * 0.25f * step;
            out[i] = ob_window_passes(g, window[i]);
        }
    else
        for (int64_t i = 0; i < channels; i++) out[i] = ((a[i] - b[i]) + (c[i] + sign * d[i])) * 0.25f * step;
}

/* 2 t of the taps of one axis from sums that may wrap; what is left in the end is 4 times a sum below 2^29. */
static void ob_taps_of_column(const int32_t *const m[OB_WINDOW_FACTORS], const int32_t base[OB_WINDOW_FACTORS],
                              int64_t count, uint32_t *restrict t0, uint32_t *restrict t1, uint32_t *restrict t2) {
    const int32_t *restrict first = m[OB_FIRST], *restrict sum = m[OB_SUM];
    const int32_t *restrict difference = m[OB_DIFFERENCE], *restrict second = m[OB_SECOND];
    for (int64_t c = 0; c < count; c++) {
        const uint32_t s = (uint32_t)sum[c] - (uint32_t)base[OB_SUM];
        const uint32_t d = (uint32_t)difference[c] - (uint32_t)base[OB_DIFFERENCE];
        t0[c] = s + d + 2 * ((uint32_t)first[c] - (uint32_t)base[OB_FIRST]);
        t1[c] = s - d;
        t2[c] = s + d - 2 * ((uint32_t)second[c] - (uint32_t)base[OB_SECOND]);
    }
}

static void ob_store_tap(const uint32_t *restrict sums, int64_t count, float step, const float *restrict window,
                         float *restrict out) {
    if (window)
        for (int64_t c = 0; c < count; c++) {
            const float g = (float)((int32_t)sums[c] / 4) * step;
            out[c] = ob_window_passes(g, window[c]);
        }
    else
        for (int64_t c = 0; c < count; c++) out[c] = (float)((int32_t)sums[c] / 4) * step;
}

static void ob_windows_finish_w(const ob_window_taps *job) {
    static const int32_t nothing[OB_WINDOW_FACTORS] = {0};
    uint32_t columns[3][OB_WINDOW_FACTORS][OB_PANEL_CHANNELS], taps[3][OB_PANEL_CHANNELS];
    for (int x = 0; x < OB_WINDOW_FACTORS; x++) {
        const int32_t *m[OB_WINDOW_FACTORS];
        int32_t base[OB_WINDOW_FACTORS];
        for (int k = 0; k < OB_WINDOW_FACTORS; k++) {
            m[k] = job->sums + (k * OB_WINDOW_FACTORS + x) * job->plane_step;
            base[k] = job->base[k * OB_WINDOW_FACTORS + x];
        }
        ob_taps_of_column(m, base, OB_PANEL_CHANNELS, columns[0][x], columns[1][x], columns[2][x]);
    }
    for (int down = 0; down < 3; down++) {
        const int32_t *m[OB_WINDOW_FACTORS];
        for (int x = 0; x < OB_WINDOW_FACTORS; x++) m[x] = (const int32_t *)columns[down][x];
        ob_taps_of_column(m, nothing, OB_PANEL_CHANNELS, taps[0], taps[1], taps[2]);
        for (int side = 0; side < 3; side++) {
            const int64_t at = (down * 3 + side) * job->out_step;
            ob_store_tap(taps[side], job->channels, job->step, job->window ? job->window + at : NULL, job->out + at);
        }
    }
}

static const ob_window_steps ob_steps_of_windows = {.take = ob_windows_take,
                                                    .any = ob_windows_any,
                                                    .largest = ob_windows_largest,
                                                    .plane = ob_windows_plane,
                                                    .weights = ob_windows_weights,
                                                    .inputs = ob_windows_inputs,
                                                    .sums = ob_windows_sums,
                                                    .join = ob_windows_join,
                                                    .finish_x = ob_windows_finish_x,
                                                    .finish_w = ob_windows_finish_w};
