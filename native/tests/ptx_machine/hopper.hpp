/* hopper.hpp: a matrix as the copy engine knows it, and its swizzle. */
#pragma once
#include "machine.hpp"

namespace ptx {
const u64 TENSOR_MAP_MAGIC = 0x50414D524F534E54;

/* What cuTensorMapEncodeTiled writes into its 128 opaque bytes. */
struct TensorMap {
    u64 magic, address, size[2], stride;
    u32 box[2];
    u64 unused[10];
};
static_assert(sizeof(TensorMap) == 128, "the driver's size");

/* The 128-byte swizzle: the 16-byte chunk of an address is changed by the number of its row of 128 bytes modulo 8. */
inline u32 swizzled(u32 address) {
    return address ^ (address >> 7 & 7) << 4;
}
bool build_warpgroup(Instruction &instruction);
} // namespace ptx
