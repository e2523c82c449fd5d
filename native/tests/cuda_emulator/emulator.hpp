/* emulator.hpp: a small CUDA machine on the CPU, to run the kernels' own source without a GPU.
 *
 * Every thread is a fiber; a scheduler resumes those whose condition holds. Asynchronous work is as late and as
 * disordered as the hardware may make it: copies are delivered in random order, warpgroup products run only when
 * somebody waits for them. So a missing wait, a stage released too early or a wrong phase gives a wrong number or a
 * deadlock, not luck. The instructions' meanings (swizzle, descriptors, fragments) are written from the PTX manual,
 * not from native/cuda/layout.cuh. */
#pragma once
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <ucontext.h>
#include <vector>

typedef uint8_t u8;
typedef unsigned int u32;
typedef unsigned long long u64;

namespace emulated {
struct Dim {
    unsigned x, y, z;
};
struct Thread;
struct Barrier {
    int count = 0, pending = 0;
    long bytes = 0;
    unsigned phase = 0;
    bool live = false;
};
struct Named {
    int arrived = 0;
    unsigned long generation = 0;
};
struct Warp {
    int arrived = 0;
    unsigned long generation = 0;
    const void *kind = nullptr;
    void *slot[32];
};
struct GroupProduct {
    int *acc[128];
    u64 a, b;
    u32 add;
    int columns, issued = 0;
    bool done = false;
};
struct Block {
    Dim index;
    u8 *memory;
    unsigned rank = 0;
    std::vector<Warp> warps;
    std::map<unsigned, Barrier> barriers;
    std::map<unsigned, Named> named;
    std::map<unsigned, std::deque<GroupProduct>> products; /* per warpgroup */
};
struct Thread {
    ucontext_t context;
    Dim index;
    unsigned linear;
    Block *block;
    bool finished = false;
    std::function<bool()> ready;
    std::vector<char> stack;
    std::vector<size_t> groups; /* of products */
    size_t issued = 0;
    std::vector<std::function<void()>> open;                  /* its own asynchronous copies, */
    std::deque<std::vector<std::function<void()>>> committed; /* in groups */
};

inline Thread *current;
inline ucontext_t scheduler;
inline std::function<void()> body;
inline std::vector<Block *> cluster;
inline Named cluster_barrier;
inline std::vector<std::function<void()>> copies; /* of the copy engine */
inline size_t shared_limit;
inline Dim block_dim, grid_dim;
inline uint64_t seed = 1;

inline std::string error; /* the first failure; the kernel is then abandoned */

/* Notes the failure and never returns to the thread that made it. */
[[noreturn]] inline void fail(const char *why) {
    error = std::string(why) + " (block " + std::to_string(current->block->index.x) + ", thread " +
            std::to_string(current->linear) + ")";
    for (;;) swapcontext(&current->context, &scheduler);
}
inline unsigned chance() {
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return (unsigned)(seed >> 33);
}
inline void block_until(std::function<bool()> ready) {
    if (ready()) return;
    current->ready = std::move(ready);
    swapcontext(&current->context, &scheduler);
}
inline void trampoline() {
    body();
    current->finished = true;
    swapcontext(&current->context, &scheduler);
}
inline void deliver_one() {
    size_t i = chance() % copies.size();
    auto deliver = copies[i];
    copies.erase(copies.begin() + (long)i);
    deliver();
}
/* Now and then one warp sleeps for as long as the others find something to do: nobody may rely on another's pace. */
inline void run_cluster(std::vector<std::unique_ptr<Thread>> &threads) {
    size_t warps = (threads.size() + 31) / 32, asleep = warps;
    for (size_t left = threads.size(); left;) {
        bool progress = false;
        size_t start = chance() % threads.size();
        if (chance() % 64 == 0) asleep = chance() % (2 * warps);
        for (size_t i = 0; i < threads.size(); ++i) {
            size_t number = (start + i) % threads.size();
            Thread *t = threads[number].get();
            if (t->finished || number / 32 == asleep || (t->ready && !t->ready())) continue;
            t->ready = nullptr;
            progress = true;
            current = t;
            swapcontext(&scheduler, &t->context);
            current = nullptr;
            left -= t->finished;
            if (!error.empty()) return;
        }
        if (!progress && asleep < warps)
            asleep = warps;
        else if (!copies.empty() && (!progress || chance() % 8 == 0))
            deliver_one();
        else if (!progress && left)
            error = "deadlock: every thread waits for another";
        if (!error.empty()) return;
    }
    if (!copies.empty()) error = "a copy was still under way when the kernel ended";
}
/* Runs `kernel` (a call with its arguments bound) over the grid, one cluster after the other. */
inline void launch(Dim grid, Dim block, size_t shared_bytes, unsigned cluster_size, std::function<void()> kernel) {
    block_dim = block, grid_dim = grid, body = std::move(kernel);
    error.clear(), copies.clear(), shared_limit = shared_bytes;
    unsigned count = block.x * block.y * block.z;
    for (unsigned first = 0; error.empty() && first < grid.x * grid.y; first += cluster_size) {
        std::vector<std::unique_ptr<Block>> blocks;
        std::vector<std::unique_ptr<Thread>> threads;
        cluster.clear(), cluster_barrier = Named();
        for (unsigned r = 0; r < cluster_size; ++r) {
            blocks.emplace_back(new Block);
            Block *b = blocks.back().get();
            b->index = {(first + r) % grid.x, (first + r) / grid.x, 0}, b->rank = r;
            size_t bytes = (shared_bytes + 2047) / 1024 * 1024;
            b->memory =
                (u8 *)aligned_alloc(1024, bytes); /* what is asked for and a little more: overruns show as errors */
            memset(b->memory, 0xA5, bytes);
            b->warps.resize((count + 31) / 32);
            cluster.push_back(b);
            for (unsigned t = 0; t < count; ++t) {
                threads.emplace_back(new Thread);
                Thread *th = threads.back().get();
                th->index = {t % block.x, t / block.x, 0}, th->linear = t, th->block = b, th->stack.resize(64 << 10);
                getcontext(&th->context);
                th->context.uc_stack.ss_sp = th->stack.data(), th->context.uc_stack.ss_size = th->stack.size();
                th->context.uc_link = nullptr;
                makecontext(&th->context, trampoline, 0);
            }
        }
        run_cluster(threads);
        for (auto &b : blocks) free(b->memory);
    }
}
inline u32 offset_of(const void *p) {
    long o = (const u8 *)p - current->block->memory;
    if (o < 0 || (size_t)o >= shared_limit) fail("an address is outside shared memory");
    return (u32)o;
}
inline void named_arrive(Named &n, int threads, bool wait) {
    unsigned long generation = n.generation;
    if (++n.arrived == threads)
        n.arrived = 0, ++n.generation;
    else if (n.arrived > threads)
        fail("more threads than a barrier expects");
    else if (wait)
        block_until([&n, generation] { return n.generation != generation; });
}
/* A warp-wide operation: each lane hands in its arguments; the last to come computes for all. */
template <class Arguments, class Compute> void together(const void *kind, Arguments &mine, Compute compute) {
    Warp &w = current->block->warps[current->linear / 32];
    if (w.arrived == 0)
        w.kind = kind;
    else if (w.kind != kind)
        fail("lanes of a warp met at different operations");
    w.slot[current->linear % 32] = &mine;
    unsigned long generation = w.generation;
    if (++w.arrived == 32) {
        Arguments *all[32];
        for (int i = 0; i < 32; ++i) all[i] = (Arguments *)w.slot[i];
        compute(all);
        w.arrived = 0, ++w.generation;
    } else
        block_until([&w, generation] { return w.generation != generation; });
}
inline void barrier_step(Barrier &b, int arrivals, long bytes) {
    if (!b.live && !current)
        error = "a copy reports to a barrier that is not initialised";
    else if (!b.live)
        fail("a barrier is used before it is initialised");
    b.pending -= arrivals, b.bytes += bytes;
    if (b.pending < 0) fail("more arrivals than a barrier expects");
    if (b.pending == 0 && b.bytes == 0) b.phase ^= 1, b.pending = b.count;
}
} // namespace emulated
