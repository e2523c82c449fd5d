/* epilogue.cuh: from accumulators to results. Every kernel ends here.
 *   y = OB_ALPHA * accumulator + row_term + column_term, the exact dot product:
 *   form  alpha  row_term   column_term
 *   AND     4    -2 pc(a)   k - 2 pc(w)
 *   XOR    -2       0       k
 *   DOT     1       0       minus the padded positions, each of which added (+1)(+1)
 *   whole   1       0       0: the kernel has added its own terms already (OB_WHOLE_SUMS)
 * OB_SPLIT: k is cut into parts, and each part's sums go to a matrix of their own (alpha times the accumulator; the
 * first part's have the terms, too). finish.cu adds them up: int32 sums are exact in any order.
 * Limits: k < 2^28 for bits and k <= 2^22 for bytes, so that |y| < 2^30. */
#ifndef OB_EPILOGUE_CUH
#define OB_EPILOGUE_CUH

#define OB_OUTPUT_INT32 1
#define OB_OUTPUT_FLOAT 2
#define OB_OUTPUT_BITS 3

#if defined(OB_WHOLE_SUMS)
#define OB_ALPHA 1
#elif OB_FORM == OB_FORM_AND
#define OB_ALPHA 4
#elif OB_FORM == OB_FORM_XOR
#define OB_ALPHA (-2)
#else
#define OB_ALPHA 1
#endif

#ifndef OB_SPLIT
#define OB_SPLIT 0
#endif

struct DenseArgs {
    void *out;
    const int *row_sums;    /* (m,) popcounts of x; read by the AND form only */
    const int *column_sums; /* (n,) popcounts of the weights; read by the AND form only */
    const float *scale, *bias;
    const int *threshold;
    const i8 *direction;
    const void *x, *weights; /* rows of x_bytes and weight_bytes; the Hopper kernel reads them through tensor maps */
    u32 m, n, k;             /* k: true bits, or bytes */
    u32 k_bytes;             /* bytes of a row that hold data */
    u32 x_stride, weight_stride;
    u32 tiles_m, tiles_n, band;
    u32 out_columns; /* of a row of the result: n, and more where n are the channels of one group */
    int padding;     /* positions past k that the DOT form multiplied */
    u32 parts;       /* of k, where OB_SPLIT */
};

OB_DEVICE int row_term(const DenseArgs &args, u32 row, u32 part = 0) {
#if defined(OB_WHOLE_SUMS)
    return 0;
#elif OB_FORM == OB_FORM_AND
    return row < args.m && !(OB_SPLIT && part) ? -2 * args.row_sums[row] : 0;
#else
    return 0;
#endif
}

OB_DEVICE int column_term(const DenseArgs &args, u32 column, u32 part = 0) {
#if defined(OB_WHOLE_SUMS)
    return 0;
#else
    if (OB_SPLIT && part) return 0;
#if OB_FORM == OB_FORM_AND
    return (int)args.k - 2 * args.column_sums[column];
#elif OB_FORM == OB_FORM_XOR
    return (int)args.k;
#else
    return -args.padding;
#endif
#endif
}

/* The bits kind reduces a channel to one number and one flip: y >= t is  y - t >= 0, and y <= t is  not (y - (t+1)
 * >= 0). Bit 1 means -1, so the bit is the sign of  y - t.  A column past n gets a bound that leaves its bit 0. */
struct ColumnBound {
    int bound; /* column_term - t */
    u32 flip;
};
OB_DEVICE ColumnBound column_bound(const DenseArgs &args, u32 column) {
    const int limit = 1 << 30; /* beyond every |y|; keeps the differences inside int32 */
    ColumnBound c = {limit, 0};
    if (column < args.n) {
        int t = args.threshold[column];
        t = t > limit ? limit : t < -limit ? -limit : t;
        c.flip = args.direction[column] < 0;
        c.bound = column_term(args, column) - t - (int)c.flip;
    }
    return c;
}
/* Writes COLUMNS bounds and flip words to shared memory; whole warps call it with consecutive `thread`s. */
template <int COLUMNS, int THREADS>
OB_DEVICE void fill_bounds(const DenseArgs &args, int *bounds, u32 column0, u32 thread) {
    u32 *flips = (u32 *)(bounds + COLUMNS);
#pragma unroll
    for (u32 c = thread; c < COLUMNS; c += THREADS) {
        ColumnBound b = column_bound(args, column0 + c);
        bounds[c] = b.bound;
        u32 word = __ballot_sync(0xFFFFFFFFu, b.flip);
        if (thread % 32 == 0) flips[c / 32] = word;
    }
}

/* 32 columns of the strip's two rows of this lane: its eight bits of each row at 8 * group + 2 * (lane & 3) + odd,
 * the other bits 0. A funnel shift moves the sign of a difference in; shifts of 1 and 7 leave pairs at the top of
 * every byte, and one mask drops the rest. */
OB_DEVICE void lane_bits(u32 (&words)[2], const int *acc, const int *bounds, const int (&terms)[2], u32 lane) {
    words[0] = words[1] = 0;
#pragma unroll
    for (int group = 3; group >= 0; --group) {
        const int *bound = bounds + 8 * group + 2 * (lane & 3);
        int even = bound[0], odd = bound[1];
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            const int *c = acc + 4 * group + 2 * half;
            words[half] = __funnelshift_l((u32)(OB_ALPHA * c[1] + terms[half] + odd), words[half], 1);
            words[half] = __funnelshift_l((u32)(OB_ALPHA * c[0] + terms[half] + even), words[half], 7);
        }
    }
    words[0] = (words[0] & 0xC0C0C0C0u) >> (6 - 2 * (lane & 3));
    words[1] = (words[1] & 0xC0C0C0C0u) >> (6 - 2 * (lane & 3));
    OB_IN_ORDER(); /* one word after the other: all bounds at once would not fit beside the sums */
}

/* Four words, each spread over the four lanes of a quad by OR: lane t returns the whole word t. */
OB_DEVICE u32 quad_collect(u32 w0, u32 w1, u32 w2, u32 w3, u32 lane) {
    bool high = lane & 2, odd = lane & 1;
    u32 a = high ? w2 : w0, b = high ? w3 : w1;
    a |= __shfl_xor_sync(0xFFFFFFFFu, high ? w0 : w2, 2);
    b |= __shfl_xor_sync(0xFFFFFFFFu, high ? w1 : w3, 2);
    u32 keep = odd ? b : a;
    return keep | __shfl_xor_sync(0xFFFFFFFFu, odd ? a : b, 1);
}

/* rows, terms: of this lane's two rows of the strip, lane / 4 and lane / 4 + 8, which rows of the result they are (from
 * m on: none), and their terms. */
template <int COLUMNS>
OB_DEVICE void emit_bits(const DenseArgs &args, const int *acc, const int *bounds, const u32 *flips,
                         const int (&terms)[2], const u32 (&rows)[2], u32 column0, u32 lane) {
    u32 words = (args.n + 63) / 64, row_words = (args.out_columns + 63) / 64, word0 = column0 / 64, t = lane & 3;
    u32 w[8][2] = {};
#pragma unroll
    for (int i = 0; i < COLUMNS / 32; ++i) lane_bits(w[i], acc + 16 * i, bounds + 32 * i, terms, lane);
#pragma unroll
    for (int half = 0; half < 2; ++half) {
        u32 row = rows[half];
        u32 low = quad_collect(w[0][half], w[2][half], w[4][half], w[6][half], lane);
        u32 high = quad_collect(w[1][half], w[3][half], w[5][half], w[7][half], lane);
        if (64 * t < COLUMNS && row < args.m && word0 + t < words)
            ((u64 *)args.out)[(u64)row * row_words + word0 + t] =
                (u64)(high ^ flips[2 * t + 1]) << 32 | (low ^ flips[2 * t]);
    }
}

/* Two roundings, never fused: the definition that every backend shares. */
OB_DEVICE u32 finish(const DenseArgs &args, int y, u32 column) {
#if OB_OUTPUT == OB_OUTPUT_FLOAT
    return __float_as_uint(__fadd_rn(__fmul_rn(__int2float_rn(y), args.scale[column]), args.bias[column]));
#else
    return (u32)y;
#endif
}

template <int COLUMNS>
OB_DEVICE void emit_numbers(const DenseArgs &args, const int *acc, const int (&terms)[2], const u32 (&rows)[2],
                            u32 column0, u32 lane, u32 part) {
    bool even = (args.out_columns & 1) == 0 && ((u64)args.out & 7) == 0;
#pragma unroll
    for (int group = 0; group < COLUMNS / 8; ++group) {
        u32 column = column0 + 8 * group + 2 * (lane & 3);
        if (column >= args.n) continue;
        bool pair = column + 1 < args.n;
        int first = column_term(args, column, part), second = pair ? column_term(args, column + 1, part) : 0;
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            if (rows[half] >= args.m) continue;
            u64 line = rows[half] + (OB_SPLIT ? (u64)part * args.m : 0);
            u32 *to = (u32 *)args.out + line * args.out_columns + column;
            u32 a = finish(args, OB_ALPHA * acc[4 * group + 2 * half] + terms[half] + first, column);
            u32 b =
                pair ? finish(args, OB_ALPHA * acc[4 * group + 2 * half + 1] + terms[half] + second, column + 1) : 0;
            if (pair && even)
                *(u64 *)to = (u64)b << 32 | a;
            else {
                to[0] = a;
                if (pair) to[1] = b;
            }
        }
    }
}

/* One warp's 16 x COLUMNS strip; column0 is a multiple of 64. */
template <int COLUMNS>
OB_DEVICE void emit_strip(const DenseArgs &args, const int *acc, const int *bounds, const u32 *flips,
                          const int (&terms)[2], const u32 (&rows)[2], u32 column0, u32 lane, u32 part = 0) {
#if OB_OUTPUT == OB_OUTPUT_BITS
    emit_bits<COLUMNS>(args, acc, bounds, flips, terms, rows, column0, lane);
#else
    emit_numbers<COLUMNS>(args, acc, terms, rows, column0, lane, part);
#endif
}

#endif
