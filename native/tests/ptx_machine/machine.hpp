/* machine.hpp: what the machine has: a grid of clusters of blocks of warps of threads, registers that know whether they
 * hold a value, memory that knows who touched it, barriers. The meanings are written from the PTX manual. */
#pragma once
#include "program.hpp"

#include <cstring>
#include <deque>
#include <memory>

namespace ptx {
const u32 SHARED_BASE = 1024;              /* where a block's dynamic shared memory begins */
const u64 SHARED_WINDOW = 0x7A00000000000; /* generic addresses of shared memory */

/* Happened before: Clock[t] is the last step of thread t that its owner knows to be over. */
typedef std::vector<u32> Clock;
void join(Clock &mine, const Clock &other);
struct Touch {
    u32 who = ~0u, when = 0;
    bool before(const Clock &clock) const { return who == ~0u || clock[who] >= when; }
};
/* Four bytes of shared memory. */
struct Word {
    Touch write;
    std::vector<Touch> reads;
    u8 written = 0; /* a bit for each byte */
    bool in_flight = false, ordinary = false;
};

struct Barrier { /* of the mbarrier instructions */
    u32 count = 0, pending = 0, phase = 0;
    i64 bytes = 0;
    bool fenced = false;
    Touch made;
    Clock gathered, released;
};
struct Named { /* of bar and barrier.cluster */
    u32 arrived = 0, expected = 0;
    u64 generation = 0;
    Clock gathered, released;
};

struct Block;
struct Cluster;
struct Machine;

struct Product { /* of a warpgroup, on its way */
    std::string opcode;
    u64 a, b;
    bool add;
    u32 columns, issued = 0; /* by how many warps */
};

struct Thread {
    Machine *machine;
    Block *block;
    Warp *warp;
    u32 linear, lane, number; /* in the block, in the warp, in the cluster */
    u32 tid[3];
    u32 pc = 0;
    bool finished = false, waits_for_warp = false;
    std::vector<u64> bits;
    std::vector<u16> marks; /* 1 holds a value, 2 a product will write it; above: the fence before its last use */
    std::vector<u8> local;
    Clock clock;
    u32 proxy_fence = 0, gave_up = 0;
    struct Copy {
        Block *block;
        u32 offset, bytes, valid;
        const u8 *from;
        bool done;
    };
    std::vector<Copy> open;
    std::deque<std::vector<Copy>> committed;

    const Instruction &instruction() const;
    u64 get(const Operand &source, bool &known);
    u64 sure(const Operand &source, const char *what); /* fails where the value is undefined */
    void set(const Operand &destination, u64 value, bool known);
    bool holds(u32 predicate, bool negated) const;
    u32 special(u32 which) const;
    void tick() { ++clock[number]; }
};

struct Warp {
    Block *block;
    u32 number; /* in the block */
    Thread *lanes[32];
    u32 alive = 32, arrived = 0;
    u16 fences = 0;              /* wgmma.fence */
    std::function<bool()> waits; /* all lanes, for this */
    std::vector<u32> groups;     /* products committed, by the number issued then */
    u32 issued = 0, done = 0;
    std::vector<std::vector<u32>> accumulators; /* registers of each product */
    std::vector<Clock> issues;                  /* what the warp knew to be over when it issued each */
    const Instruction &instruction() const { return lanes[0]->instruction(); }
};

struct Block {
    Machine *machine;
    Cluster *cluster;
    u32 index[3], rank;
    std::vector<u8> memory;
    std::vector<Word> words;
    std::map<u32, Barrier> barriers;
    Named named[16];
    std::map<u32, u64> cluster_waits; /* of each warp */
    std::vector<Warp> warps;
    std::vector<std::unique_ptr<Thread>> threads;
    std::map<u32, std::deque<Product>> products; /* of each warpgroup */
};

struct Cluster {
    std::vector<std::unique_ptr<Block>> blocks;
    std::vector<Thread *> threads;
    std::vector<std::function<void()>> copies; /* of the copy engine, not yet delivered */
    Named barrier;
    u32 left = 0, asleep = ~0u, clock_size = 0, engine_time = 0;
    u32 engine() const { return clock_size - 1; }
    u32 products_of(const Warp &warp) const; /* the clock entry of a warp's products */
};

struct Region { /* of global memory; writers: a number for each thread that stored there */
    const u8 *first;
    u64 bytes;
    std::vector<u32> writers;
};

struct Machine {
    const Module *module;
    const Entry *entry;
    std::vector<u8> parameters; /* aligned by `parameter_base` */
    u8 *parameter_base;
    u32 grid[3], block[3], cluster_size, shared_bytes;
    std::vector<Region> regions;
    u64 seed, steps = 0;
    const Thread *running = nullptr;

    u32 chance();
    void run(); /* throws Failure */
    void check_global(const void *address, u64 bytes, const char *what) const;
    void note_store(const Thread &thread, const void *address, u64 bytes);

  private:
    std::unique_ptr<Cluster> make_cluster(u32 first);
    bool round(Cluster &cluster);
    bool run_warp(Warp &warp);
    bool run_thread(Thread &thread);
    std::string where_all_wait(const std::vector<std::unique_ptr<Cluster>> &resident) const;
};

/* A place in shared memory: of this block, or of another of the cluster by what mapa returned. */
struct Place {
    Block *block;
    u32 offset;
};
Place shared_place(const Thread &thread, u64 address, u32 bytes, u32 align, const char *what);
void touch_read(const Place &place, u32 bytes, const Clock &clock, Touch me);
void touch_write(const Place &place, u32 bytes, const Clock &clock, Touch me, bool ordinary);
void reserve(const Place &place, u32 bytes, const Clock &clock); /* an asynchronous copy is on its way there */
void arrive(Named &barrier, Warp &warp, u32 threads, u32 expected, bool wait);
inline u64 low_bits(u64 value, u32 bits) {
    return bits >= 64 ? value : value & ((1ull << bits) - 1);
}
inline i64 extended(u64 value, u32 bits) {
    return bits >= 64 ? (i64)value : (i64)(value << (64 - bits)) >> (64 - bits);
}
} // namespace ptx
