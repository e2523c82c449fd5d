/* instructions.hpp: the instructions of device.cuh, mma.cuh, hopper.cuh and wgmma.cuh on the emulator. */
#pragma once
#include "emulator.hpp"

#define OB_EMULATED 1
#define OB_DEVICE static inline
#define OB_SHARED(name) u8 *name = emulated::current->block->memory
#define OB_SHARED_TILES(name) u8 *name = emulated::current->block->memory
#define OB_IN_ORDER()
#define __global__
#define __launch_bounds__(...)
#define __grid_constant__
#define __align__(n) alignas(n)
#define threadIdx (emulated::current->index)
#define blockIdx (emulated::current->block->index)
#define blockDim (emulated::block_dim)
#define gridDim (emulated::grid_dim)

using namespace emulated;

static inline void __syncthreads() {
    named_arrive(current->block->named[0], (int)(block_dim.x * block_dim.y), true);
}
static inline void __syncwarp() {
    u32 none;
    static const char kind = 0;
    together(&kind, none, [](u32 **) {});
}
static inline int __popc(u32 x) {
    return __builtin_popcount(x);
}
static inline int __popcll(u64 x) {
    return __builtin_popcountll(x);
}
static inline u32 __funnelshift_l(u32 low, u32 high, u32 shift) {
    return (u32)(((u64)high << 32 | low) << (shift & 31) >> 32);
}
static inline u32 __float_as_uint(float x) {
    u32 u;
    memcpy(&u, &x, 4);
    return u;
}
static inline float __uint_as_float(u32 u) {
    float x;
    memcpy(&x, &u, 4);
    return x;
}
static inline float __int2float_rn(int x) {
    return (float)x;
}
static inline float __fmul_rn(float a, float b) {
    volatile float p = a * b;
    return p;
}
static inline float __fadd_rn(float a, float b) {
    volatile float s = a + b;
    return s;
}
static inline u32 __ballot_sync(u32, u32 vote) {
    static const char kind = 0;
    u32 value = vote != 0;
    together(&kind, value, [](u32 **all) {
        u32 word = 0;
        for (int i = 0; i < 32; ++i) word |= *all[i] << i;
        for (int i = 0; i < 32; ++i) *all[i] = word;
    });
    return value;
}
static inline u32 __shfl_xor_sync(u32, u32 mine, u32 mask) {
    static const char kind = 0;
    u32 values[2] = {mine, mask};
    together(&kind, values, [](u32(**all)[2]) {
        u32 given[32];
        for (int i = 0; i < 32; ++i) given[i] = (*all[i])[0];
        for (u32 i = 0; i < 32; ++i) (*all[i])[0] = given[i ^ (*all[i])[1]];
    });
    return values[0];
}
static inline u32 __shfl_sync(u32, u32 mine, u32 from) {
    static const char kind = 0;
    u32 values[2] = {mine, from};
    together(&kind, values, [](u32(**all)[2]) {
        u32 given = (*all[(*all[0])[1]])[0];
        for (int i = 0; i < 32; ++i) (*all[i])[0] = given;
    });
    return values[0];
}

/* ---- device.cuh, mma.cuh ---- */
static inline u32 shared_address(const void *p) {
    return offset_of(p);
}
template <int BYTES> void copy_async(void *to, const void *from, u32 valid) {
    if ((uintptr_t)to % BYTES || (valid && (uintptr_t)from % BYTES)) fail("an asynchronous copy is not aligned");
    offset_of(to);
    current->open.push_back([=] {
        memset(to, 0, BYTES);
        memcpy(to, from, valid);
    });
}
static inline void copy_async_commit() {
    current->committed.push_back(std::move(current->open));
    current->open.clear();
}
/* A thread's copies happen when it waits for them, not before. */
template <int PENDING> void copy_async_wait() {
    for (; current->committed.size() > PENDING; current->committed.pop_front())
        for (auto &copy : current->committed.front()) copy();
}
struct Matrices {
    u32 *r;
    const u8 *row;
};
static inline void ldmatrix_x4(u32 (&r)[4], const void *row) {
    static const char kind = 0;
    if (offset_of(row) % 16) fail("a row of ldmatrix is not aligned");
    Matrices mine = {r, (const u8 *)row};
    together(&kind, mine, [](Matrices **all) {
        for (int lane = 0; lane < 32; ++lane)
            for (int m = 0; m < 4; ++m) memcpy(&all[lane]->r[m], all[8 * m + lane / 4]->row + 4 * (lane % 4), 4);
    });
}
static inline int product_of_bytes(const u8 *a, const u8 *b, int count, int form, int x_is_u8) {
    int sum = 0;
    for (int i = 0; i < count; ++i)
        sum += form == 1   ? __builtin_popcount(a[i] & b[i])
               : form == 2 ? __builtin_popcount(a[i] ^ b[i])
                           : (x_is_u8 ? (int)a[i] : (int)(int8_t)a[i]) * (int)(int8_t)b[i];
    return sum;
}
struct MmaStep {
    int *c;
    const u32 *a, *b;
};
static inline void mma_any(int (&c)[4], const u32 (&a)[4], const u32 (&b)[2], int form, int x_is_u8) {
    static const char kind = 0;
    MmaStep mine = {c, a, b};
    together(&kind, mine, [=](MmaStep **all) {
        u8 x[16][32], w[8][32];
        for (int lane = 0; lane < 32; ++lane) {
            for (int i = 0; i < 4; ++i)
                memcpy(&x[lane / 4 + 8 * (i % 2)][4 * (lane % 4) + 16 * (i / 2)], &all[lane]->a[i], 4);
            for (int i = 0; i < 2; ++i) memcpy(&w[lane / 4][4 * (lane % 4) + 16 * i], &all[lane]->b[i], 4);
        }
        for (int lane = 0; lane < 32; ++lane)
            for (int i = 0; i < 4; ++i)
                all[lane]->c[i] +=
                    product_of_bytes(x[lane / 4 + 8 * (i / 2)], w[2 * (lane % 4) + i % 2], 32, form, x_is_u8);
    });
}
#define mma_bits(c, a, b) mma_any(c, a, b, OB_FORM, 0)
#define mma_bytes(c, a, b) mma_any(c, a, b, 3, OB_OPERAND == 2)

/* ---- hopper.cuh ---- */
struct TensorMap;
static inline Barrier &barrier_at(u64 *p) {
    return current->block->barriers[offset_of(p)];
}
static inline void barrier_init(u64 *p, u32 arrivals) {
    barrier_at(p) = {(int)arrivals, (int)arrivals, 0, 0, true};
}
static inline void barrier_init_fence() {}
static inline void barrier_expect(u64 *p, u32 bytes) {
    barrier_step(barrier_at(p), 1, bytes);
}
static inline void barrier_arrive(u64 *p) {
    barrier_step(barrier_at(p), 1, 0);
}
static inline void barrier_arrive_at(u64 *p, u32 block) {
    barrier_step(cluster[block]->barriers[offset_of(p)], 1, 0);
}
static inline void barrier_wait(u64 *p, u32 parity) {
    Barrier &b = barrier_at(p);
    block_until([&b, parity] { return b.phase != parity; });
}
/* The swizzle of rows of 128, 64 or 32 bytes. */
static inline u32 swizzled(u32 address, u32 row_bytes) {
    return address ^ (address >> 7 & (row_bytes / 16 - 1)) << 4;
}
/* An emulated tensor map of up to four axes, innermost first: base, 4 sizes, 3 strides, 4 sizes of a box, 4 steps. */
struct Map {
    u64 base, size[4], stride[3], box[4], step[4];
};
struct Corner {
    int at[4];
};
static inline void copy_box(const u64 *opaque, u32 to, u32 barrier, Corner corner, u32 mask) {
    Map m;
    memcpy(&m, opaque, sizeof m);
    bool right = m.base % 16 == 0 && (m.box[0] == 32 || m.box[0] == 64 || m.box[0] == 128) && m.step[0] == 1;
    for (int i = 0; i < 4; ++i) right &= m.box[i] * m.step[i] <= 256 && m.step[i] >= 1 && m.step[i] <= 8;
    for (int i = 0; i < 3; ++i) right &= m.stride[i] % 16 == 0;
    if (!right) fail("a tensor map that the copy engine would refuse");
    if (to % 128) fail("a tile is not aligned for the swizzle");
    copies.push_back([=] {
        u32 count = (u32)(m.box[1] * m.box[2] * m.box[3]);
        for (size_t r = 0; r < cluster.size(); ++r) {
            if (!(mask >> r & 1)) continue;
            for (u32 i = 0; i < count * m.box[0]; ++i) {
                u64 index[4] = {i % m.box[0], i / m.box[0] % m.box[1], i / m.box[0] / m.box[1] % m.box[2],
                                i / m.box[0] / m.box[1] / m.box[2]};
                u64 from = m.base;
                bool inside = true;
                for (int axis = 0; axis < 4; ++axis) {
                    long at = corner.at[axis] + (long)(index[axis] * m.step[axis]);
                    inside &= at >= 0 && at < (long)m.size[axis];
                    from += (u64)at * (axis ? m.stride[axis - 1] : 1);
                }
                cluster[r]->memory[swizzled(to + i, (u32)m.box[0])] = inside ? *(const u8 *)from : 0;
            }
            barrier_step(cluster[r]->barriers[barrier], 0, -(long)(count * m.box[0]));
        }
    });
}
#define tensor_load(to, map, barrier, byte, row)                                                        \
    copy_box((map)->opaque, offset_of(to), offset_of(barrier), Corner{{(int)(byte), (int)(row), 0, 0}}, \
             1u << current->block->rank)
#define tensor_load_multicast(to, map, barrier, byte, row, mask) \
    copy_box((map)->opaque, offset_of(to), offset_of(barrier), Corner{{(int)(byte), (int)(row), 0, 0}}, mask)
#define tensor_load_box(to, map, barrier, byte, x, y, image)                                              \
    copy_box((map)->opaque, offset_of(to), offset_of(barrier), Corner{{(int)(byte), x, y, (int)(image)}}, \
             1u << current->block->rank)
static inline void stores_fence() {}
template <int> void registers_give() {}
template <int> void registers_take() {}
static inline void group_sync(u32 id, u32 threads) {
    named_arrive(current->block->named[id], (int)threads, true);
}
static inline void group_arrive(u32 id, u32 threads) {
    named_arrive(current->block->named[id], (int)threads, false);
}
static inline void cluster_sync() {
    named_arrive(cluster_barrier, (int)(cluster.size() * block_dim.x), true);
}
static inline u32 cluster_block() {
    return current->block->rank;
}

/* ---- wgmma.cuh ---- */
static int form_of_products(), bytes_of_products_are_unsigned(); /* library.cpp knows what the kernel multiplies */
static inline void read_operand(u64 descriptor, u32 row, u8 *to) {
    if (!(descriptor >> 62)) fail("a descriptor names no swizzle");
    u32 start = (u32)(descriptor & 0x3FFF) << 4, group = (u32)(descriptor >> 32 & 0x3FFF) << 4;
    u32 row_bytes = 256u >> (descriptor >> 62);
    for (u32 i = 0; i < 32; ++i)
        to[i] = current->block->memory[swizzled(start + row / 8 * group + row % 8 * row_bytes + i, row_bytes)];
}
static inline void run_product(GroupProduct &p, int form) {
    std::vector<u8> x(64 * 32), w((size_t)p.columns * 32);
    for (u32 r = 0; r < 64; ++r) read_operand(p.a, r, &x[r * 32]);
    for (u32 r = 0; r < (u32)p.columns; ++r) read_operand(p.b, r, &w[r * 32]);
    for (int t = 0; t < 128; ++t)
        for (int i = 0; i < p.columns / 2; ++i) {
            int row = t / 32 * 16 + t % 32 / 4 + 8 * (i / 2 % 2), column = i / 4 * 8 + t % 4 * 2 + i % 2;
            p.acc[t][i] = (p.add ? p.acc[t][i] : 0) +
                          product_of_bytes(&x[row * 32], &w[column * 32], 32, form, bytes_of_products_are_unsigned());
        }
    p.done = true;
}
template <int COLUMNS> struct Product {
    static void issue(int (&c)[COLUMNS / 2], u64 a, u64 b, u32 add) {
        auto &queue = current->block->products[current->linear / 128];
        if (current->issued == queue.size()) queue.push_back({{}, a, b, add, COLUMNS});
        auto &p = queue[current->issued++];
        if (p.a != a || p.b != b || !p.add != !add) fail("threads of a warpgroup issue different products");
        p.acc[current->linear % 128] = c, ++p.issued;
    }
};
static inline void product_fence() {}
static inline void product_commit() {
    current->groups.push_back(current->issued);
}
template <int PENDING> void product_wait() {
    auto &queue = current->block->products[current->linear / 128];
    size_t groups = current->groups.size(), target = groups > PENDING ? current->groups[groups - 1 - PENDING] : 0;
    block_until([&queue, target] { return target == 0 || queue[target - 1].issued == 128; });
    for (size_t i = 0; i < target; ++i)
        if (!queue[i].done) run_product(queue[i], form_of_products());
}
template <int COUNT> void product_results(int (&)[COUNT]) {}
