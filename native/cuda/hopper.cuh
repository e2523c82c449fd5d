/* hopper.cuh: the instructions of sm_90a that the Hopper kernel is made of: barriers in shared memory that count bytes,
 * the bulk tensor copy, products issued by four warps together, and register hand-over between warps. */
#ifndef OB_HOPPER_CUH
#define OB_HOPPER_CUH

struct __align__(64) TensorMap {
    u64 opaque[16]; /* made by cuTensorMapEncodeTiled */
};

#ifndef OB_EMULATED
OB_DEVICE void barrier_init(u64 *barrier, u32 arrivals) {
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(barrier)), "r"(arrivals) : "memory");
}
/* Makes initialised barriers visible to the copy engine and to the other blocks of the cluster. */
OB_DEVICE void barrier_init_fence() {
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}
OB_DEVICE void barrier_expect(u64 *barrier, u32 bytes) {
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(barrier)), "r"(bytes)
                 : "memory");
}
OB_DEVICE void barrier_arrive(u64 *barrier) {
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(barrier)) : "memory");
}
/* The same barrier in another block of the cluster. */
OB_DEVICE void barrier_arrive_at(u64 *barrier, u32 block) {
    asm volatile("{\n\t.reg .b32 remote;\n\tmapa.shared::cluster.u32 remote, %0, %1;\n\t"
                 "mbarrier.arrive.release.cluster.shared::cluster.b64 _, [remote];\n\t}" ::"r"(shared_address(barrier)),
                 "r"(block)
                 : "memory");
}
/* Returns once the phase of this parity has completed. The default scope, the block, is enough for what the copy engine
 * wrote, and a wider one would empty the L1 cache at every wait. */
OB_DEVICE void barrier_wait(u64 *barrier, u32 parity) {
    asm volatile("{\n\t.reg .pred done;\n\tagain:\n\t"
                 "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n\t"
                 "@!done bra again;\n\t}" ::"r"(shared_address(barrier)),
                 "r"(parity)
                 : "memory");
}

/* A box of rows x 128 bytes at (byte, row) into shared memory; the barrier counts its bytes. */
OB_DEVICE void tensor_load(void *to, const TensorMap *map, u64 *barrier, u32 byte, u32 row) {
    asm volatile(
        "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4}], [%2];" ::"r"(
            shared_address(to)),
        "l"(map), "r"(shared_address(barrier)), "r"(byte), "r"(row)
        : "memory");
}
/* A box of places x bytes of the map's swizzle at (byte, x, y, image). */
OB_DEVICE void tensor_load_box(void *to, const TensorMap *map, u64 *barrier, u32 byte, int x, int y, u32 image) {
    asm volatile("cp.async.bulk.tensor.4d.shared::cluster.global.mbarrier::complete_tx::bytes "
                 "[%0], [%1, {%3, %4, %5, %6}], [%2];" ::"r"(shared_address(to)),
                 "l"(map), "r"(shared_address(barrier)), "r"(byte), "r"(x), "r"(y), "r"(image)
                 : "memory");
}
/* The same box to the same place, and the same barrier, in every block named by the mask. */
OB_DEVICE void tensor_load_multicast(void *to, const TensorMap *map, u64 *barrier, u32 byte, u32 row, u32 mask) {
    asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster "
                 "[%0], [%1, {%3, %4}], [%2], %5;" ::"r"(shared_address(to)),
                 "l"(map), "r"(shared_address(barrier)), "r"(byte), "r"(row), "h"((u16)mask)
                 : "memory");
}

/* Makes this thread's ordinary stores to shared memory visible to the tensor core and the copy engine. */
OB_DEVICE void stores_fence() {
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

template <int REGISTERS> OB_DEVICE void registers_give() {
    asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(REGISTERS));
}
template <int REGISTERS> OB_DEVICE void registers_take() {
    asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(REGISTERS));
}
OB_DEVICE void group_sync(u32 id, u32 threads) {
    asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
}
OB_DEVICE void group_arrive(u32 id, u32 threads) {
    asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(threads) : "memory");
}
OB_DEVICE void cluster_sync() {
    asm volatile("barrier.cluster.arrive.release.aligned;\n\tbarrier.cluster.wait.acquire.aligned;" ::: "memory");
}
OB_DEVICE u32 cluster_block() {
    u32 rank;
    asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
    return rank;
}

OB_DEVICE void product_fence() {
    asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}
OB_DEVICE void product_commit() {
    asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}
template <int PENDING> OB_DEVICE void product_wait() {
    asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(PENDING) : "memory");
}
/* Keeps the compiler from reading accumulators before the wait that completes them. */
template <int COUNT> OB_DEVICE void product_results(int (&c)[COUNT]) {
#pragma unroll
    for (int i = 0; i < COUNT; ++i) asm volatile("" : "+r"(c[i])::"memory");
}
#endif

#endif
