/* conv.cuh: a convolution as a product. A row of it is an output place, k runs over the taps and, inside a tap, over
 * the bytes of a group's channels, so no patch is ever stored.
 *
 * A tap outside the image is read as zeros, which are +1 in bits and 0 in bytes. What it should have been (pad_value)
 * is made good by `terms`: they depend on the channel and on which taps are outside, the same few classes for all rows.
 *   y = alpha * sum + row term + terms[class][channel]       alpha: 4 (AND), -2 (XOR), 1 (DOT), the multiplier (bytes)
 * Class 0 has no tap outside. */
#ifndef OB_CONV_CUH
#define OB_CONV_CUH

#include "device.cuh"
#include "epilogue.cuh"

struct ConvArgs {
    DenseArgs dense;                     /* n, weights and tiles of one group; out_columns of all */
    const int *terms;                    /* (classes, out_columns), and TERMS_PAST that nobody uses */
    const int *row_class, *column_class; /* (out_height), (out_width): their sum is where a class begins in terms */
    u32 height, width, out_height, out_width;
    u32 pixel_bytes, tap_bytes; /* of x: a place, and what one group has of it */
    u32 kernel_columns, groups;
    int stride_y, stride_x, top, left, dilation_y, dilation_x;
    int multiplier; /* of bytes */
};

/* An output place: the first byte of its image (and group), and where its first tap lies. */
struct Place {
    const u8 *image;
    int y, x;
};
OB_DEVICE Place place_of(const ConvArgs &args, u32 row, u32 group) {
    u32 line = row / args.out_width, column = row % args.out_width;
    u64 image_bytes = (u64)args.height * args.width * args.pixel_bytes;
    Place place;
    place.image = (const u8 *)args.dense.x + line / args.out_height * image_bytes + (u64)group * args.tap_bytes;
    place.y = (int)(line % args.out_height) * args.stride_y - args.top;
    place.x = (int)column * args.stride_x - args.left;
    if (row >= args.dense.m) place.y = -(1 << 30); /* every tap is outside */
    return place;
}

/* Where a byte of k lies: its tap, and the byte within the tap. */
struct Tap {
    int y, x;
    u32 byte;
};
OB_DEVICE Tap tap_of(const ConvArgs &args, u32 byte) {
    u32 tap = byte / args.tap_bytes;
    Tap found = {(int)(tap / args.kernel_columns) * args.dilation_y, (int)(tap % args.kernel_columns) * args.dilation_x,
                 byte % args.tap_bytes};
    return found;
}

/* The address of a tap's byte at a place; 0 outside of the image. */
OB_DEVICE const u8 *tap_at(const ConvArgs &args, const Place &place, const Tap &tap) {
    int y = place.y + tap.y, x = place.x + tap.x;
    if ((u32)y >= args.height || (u32)x >= args.width) return 0;
    return place.image + ((u64)y * args.width + (u32)x) * args.pixel_bytes + tap.byte;
}

/* Where the terms of an output place begin: 0 if all its taps are inside. */
OB_DEVICE u32 class_of(const ConvArgs &args, u32 row) {
    if (row >= args.dense.m) return 0;
    return (u32)(args.row_class[row / args.out_width % args.out_height] + args.column_class[row % args.out_width]);
}

/* The arguments of the epilogue for the channels of one group. */
OB_DEVICE DenseArgs of_group(const ConvArgs &args, u32 group) {
    DenseArgs dense = args.dense;
    u64 first = (u64)group * dense.n;
#if OB_OUTPUT == OB_OUTPUT_BITS
    dense.out = (u64 *)dense.out + first / 64;
    dense.threshold += first, dense.direction += first;
#else
    dense.out = (u32 *)dense.out + first;
#if OB_OUTPUT == OB_OUTPUT_FLOAT
    dense.scale += first, dense.bias += first;
#endif
#endif
    return dense;
}

/* Of a strip of COLUMNS columns, one half's sums, a lane's of one row, become y. inside: terms of these columns where
 * no tap is outside, in shared memory. The terms of columns past n are read and not used: their table is TERMS_PAST
 * longer than it seems. */
enum { TERMS_PAST = 256 };
template <int COLUMNS>
OB_DEVICE void whole_sums(const ConvArgs &args, int *acc, int half, int row_term, u32 at, const int *inside,
                          const int *terms) {
#if OB_OPERAND != OB_OPERAND_BITS
    int alpha = args.multiplier;
#else
    const int alpha = OB_FORM == OB_FORM_AND ? 4 : OB_FORM == OB_FORM_XOR ? -2 : 1;
#endif
#pragma unroll
    for (u32 j = 0; j < COLUMNS / 4; ++j) {
        int &sum = acc[j / 2 * 4 + half * 2 + j % 2];
        sum = alpha * sum + row_term + inside[j / 2 * 8 + j % 2];
        if (j % 16 == 15) OB_IN_ORDER(); /* not all terms at once: they would not fit beside the sums */
    }
    if (at)
#pragma unroll
        for (u32 j = 0; j < COLUMNS / 4; ++j) {
            acc[j / 2 * 4 + half * 2 + j % 2] += terms[at + j / 2 * 8 + j % 2] - inside[j / 2 * 8 + j % 2];
            if (j % 16 == 15) OB_IN_ORDER();
        }
    OB_IN_ORDER();
}

#endif
