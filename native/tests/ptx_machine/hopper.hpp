/* hopper.hpp: a matrix as the copy engine knows it, and its swizzle. */
#pragma once
#include "machine.hpp"

namespace ptx {
const u64 TENSOR_MAP_MAGIC = 0x50414D524F534E54;

/* What cuTensorMapEncodeTiled writes into its 128 opaque bytes: up to four axes, innermost first. box counts the
 * elements that a copy brings, `step` of the array's apart. */
struct TensorMap {
    u64 magic, address, size[4], stride[3];
    u32 box[4], step[4], rank;
    u32 unused[5];
    u32 places() const { return box[1] * box[2] * box[3]; }
};
static_assert(sizeof(TensorMap) == 128, "the driver's size");

/* The swizzles of rows of 128, 64 and 32 bytes: the 16-byte chunk of an address, 3, 2 or 1 bits, is changed by the low
 * bits of the number of its 128 bytes. */
inline u32 swizzled(u32 address, u32 row_bytes) {
    return address ^ (address >> 7 & (row_bytes / 16 - 1)) << 4;
}
bool build_warpgroup(Instruction &instruction);
} // namespace ptx
