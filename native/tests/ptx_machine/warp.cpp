/* warp.cpp: what the lanes of a warp do together: shuffles, votes, barriers, ldmatrix and the products of mma.sync. */
#include "machine.hpp"

#include <array>

namespace ptx {
void arrive(Named &barrier, Warp &warp, u32 threads, u32 expected, bool wait) {
    if (!barrier.arrived)
        barrier.expected = expected;
    else if (barrier.expected != expected)
        throw Failure("a barrier is asked for with two counts of threads");
    for (Thread *lane : warp.lanes)
        if (!lane->finished) join(barrier.gathered, lane->clock), lane->tick();
    u64 generation = barrier.generation;
    barrier.arrived += threads;
    if (barrier.arrived > expected) throw Failure("more threads at a barrier than it expects");
    if (barrier.arrived == expected) barrier.arrived = 0, ++barrier.generation, barrier.released = barrier.gathered;
    if (!wait) return;
    auto over = [&barrier, &warp, generation] {
        if (barrier.generation == generation) return false;
        for (Thread *lane : warp.lanes)
            if (!lane->finished) join(lane->clock, barrier.released);
        return true;
    };
    if (!over()) warp.waits = over;
}
namespace {
void everybody(u64 mask) {
    if ((u32)mask != ~0u) throw Failure("a mask of some lanes is not modelled");
}
void shuffle(Warp &warp) {
    std::array<u64, 32> given{};
    bool known[32] = {};
    for (Thread *lane : warp.lanes) {
        if (lane->finished) continue;
        known[lane->lane] = true;
        given[lane->lane] = lane->get(lane->instruction().operands[1], known[lane->lane]);
    }
    for (Thread *lane : warp.lanes) {
        if (lane->finished) continue;
        const Instruction &i = lane->instruction();
        u32 by = (u32)lane->sure(i.operands[2], "a lane"), clamp = (u32)lane->sure(i.operands[3], "a lane");
        everybody(lane->sure(i.operands[4], "a mask"));
        u32 mask = clamp >> 8 & 31, least = lane->lane & mask, most = least | (clamp & 31 & ~mask), from = 0;
        bool inside = true;
        if (i.has("bfly")) from = lane->lane ^ (by & 31), inside = from <= most;
        if (i.has("idx")) from = least | (by & 31 & ~mask), inside = from <= most;
        if (i.has("down")) from = lane->lane + (by & 31), inside = from <= most;
        if (i.has("up")) from = lane->lane - (by & 31), inside = (int)from >= (int)(clamp & 31 & ~mask ? least : most);
        if (!inside) from = lane->lane;
        const Operand &to = i.operands[0];
        lane->set(to.kind == Operand::VECTOR ? to.parts[0] : to, low_bits(given[from], 32), known[from]);
        if (to.kind == Operand::VECTOR) lane->set(to.parts[1], inside, true);
    }
}
void vote(Warp &warp) {
    u32 ballot = 0, alive = 0;
    for (Thread *lane : warp.lanes) {
        if (lane->finished) continue;
        everybody(lane->sure(lane->instruction().operands[2], "a mask"));
        alive |= 1u << lane->lane;
        ballot |= (u32)(lane->sure(lane->instruction().operands[1], "voted for") & 1) << lane->lane;
    }
    for (Thread *lane : warp.lanes) {
        if (lane->finished) continue;
        const Instruction &i = lane->instruction();
        u64 value = i.has("ballot") ? ballot : i.has("any") ? ballot != 0 : i.has("all") ? ballot == alive : ~0ull;
        if (i.has("uni")) value = !ballot || ballot == alive;
        lane->set(i.operands[0], value, true);
    }
}
void elect(Warp &warp) {
    for (Thread *lane : warp.lanes) {
        const Operand &to = lane->instruction().operands[0];
        everybody(lane->sure(lane->instruction().operands[1], "a mask"));
        lane->set(to.parts[0], 0, true), lane->set(to.parts[1], lane->lane == 0, true);
    }
}
void meet_lanes(Warp &warp) {
    Clock all;
    for (Thread *lane : warp.lanes) {
        if (lane->finished) continue;
        everybody(lane->sure(lane->instruction().operands[0], "a mask"));
        join(all, lane->clock), lane->tick();
    }
    for (Thread *lane : warp.lanes)
        if (!lane->finished) join(lane->clock, all);
}
u32 same(Warp &warp, const Operand &source) {
    u64 value = warp.lanes[0]->sure(source, "a barrier's");
    for (Thread *lane : warp.lanes)
        if (lane->sure(source, "a barrier's") != value)
            throw Failure("lanes of a warp name different barriers or counts");
    return (u32)value;
}
/* The lanes of a warp come together, as the manual asks of bar; each counts for itself. */
void block_barrier(Warp &warp, bool wait) {
    const Instruction &i = warp.instruction();
    const u32 *size = warp.block->machine->block;
    u32 id = same(warp, i.operands[0]),
        expected = i.operands.size() > 1 ? same(warp, i.operands[1]) : size[0] * size[1] * size[2];
    if (id > 15) throw Failure("a block has 16 barriers");
    if (expected % 32 || !expected) throw Failure("a barrier counts whole warps");
    arrive(warp.block->named[id], warp, 32, expected, wait);
}
void load_matrices(Warp &warp) {
    const Instruction &i = warp.instruction();
    const std::vector<Operand> &to = i.operands[0].parts;
    std::array<u8, 32 * 16> rows;
    u32 count = (u32)to.size();
    for (Thread *lane : warp.lanes) {
        if (lane->lane >= 8 * count) continue;
        Place place = shared_place(*lane, lane->sure(i.operands[1], "an address"), 16, 16, "a row of ldmatrix");
        touch_read(place, 16, lane->clock, {lane->number, lane->clock[lane->number]});
        memcpy(&rows[lane->lane * 16], &place.block->memory[place.offset], 16);
    }
    for (Thread *lane : warp.lanes)
        for (u32 m = 0; m < count; ++m) {
            u32 value;
            memcpy(&value, &rows[(8 * m + lane->lane / 4) * 16 + lane->lane % 4 * 4], 4);
            lane->set(to[m], value, true);
        }
}
/* c (rows x 8) += a (rows x bytes) b (bytes x 8): rows 8 or 16, bytes 16 or 32. A register of a or b is four bytes of
 * one row at 4 * (lane % 4); further registers are 8 rows below, then 16 bytes on. */
struct Product16 {
    u32 rows, bytes;
    char form; /* & ^ u s */
};
void multiply(Warp &warp, Product16 how) {
    const std::vector<Operand> &o = warp.instruction().operands;
    u8 a[16][32], b[8][32];
    u32 halves = how.rows / 8, steps = how.bytes / 16;
    if (o[0].parts.size() != 2 * halves || o[1].parts.size() != halves * steps || o[2].parts.size() != steps ||
        o[3].parts.size() != 2 * halves)
        throw Failure("registers of a product that do not fit its shape");
    for (Thread *lane : warp.lanes) {
        for (u32 i = 0; i < halves * steps; ++i) {
            u32 value = (u32)lane->sure(o[1].parts[i], "multiplied");
            memcpy(&a[lane->lane / 4 + 8 * (i % halves)][4 * (lane->lane % 4) + 16 * (i / halves)], &value, 4);
        }
        for (u32 i = 0; i < steps; ++i) {
            u32 value = (u32)lane->sure(o[2].parts[i], "multiplied");
            memcpy(&b[lane->lane / 4][4 * (lane->lane % 4) + 16 * i], &value, 4);
        }
    }
    for (Thread *lane : warp.lanes)
        for (u32 i = 0; i < 2 * halves; ++i) {
            const u8 *x = a[lane->lane / 4 + 8 * (i / 2)], *w = b[2 * (lane->lane % 4) + i % 2];
            bool known = true;
            u32 sum = (u32)lane->get(o[3].parts[i], known);
            for (u32 j = 0; j < how.bytes; ++j)
                sum += how.form == '&'   ? (u32)__builtin_popcount(x[j] & w[j])
                       : how.form == '^' ? (u32)__builtin_popcount(x[j] ^ w[j])
                                         : (u32)((how.form == 'u' ? x[j] : (int8_t)x[j]) * (int8_t)w[j]);
            lane->set(o[0].parts[i], sum, known);
        }
}
bool build_mma(Instruction &i) {
    bool bits = i.has("b1"), bytes = i.has("s8");
    Product16 how = {};
    if ((bits && i.has("m16n8k256")) || (bytes && i.has("m16n8k32"))) how.rows = 16, how.bytes = 32;
    if ((bits && i.has("m8n8k128")) || (bytes && i.has("m8n8k16"))) how.rows = 8, how.bytes = 16;
    size_t first = 0;
    while (first < i.parts.size() && i.parts[first] != "s32") ++first;
    if (!how.rows || !i.has("row") || !i.has("col") || i.has("satfinite") || first + 3 >= i.parts.size()) return false;
    std::string a = i.parts[first + 1], b = i.parts[first + 2];
    if (bits)
        how.form = i.has("and") && i.has("popc") ? '&' : i.has("xor") && i.has("popc") ? '^' : 0;
    else
        how.form = b != "s8" ? 0 : a == "u8" ? 'u' : a == "s8" ? 's' : 0;
    if (!how.form) return false;
    i.aligned = true;
    i.together = [how](Warp &warp) { multiply(warp, how); };
    return true;
}
bool build_cluster_barrier(Instruction &i) {
    i.aligned = i.has("aligned");
    bool arrives = i.has("arrive");
    i.together = [=](Warp &warp) {
        Cluster &cluster = *warp.block->cluster;
        if (arrives) return arrive(cluster.barrier, warp, 32, (u32)cluster.threads.size(), false);
        /* The wait is for the generation that this warp has arrived for: each warp does both in turn. */
        u64 wanted = ++warp.block->cluster_waits[warp.number];
        auto over = [&cluster, &warp, wanted] {
            if (cluster.barrier.generation < wanted) return false;
            for (Thread *lane : warp.lanes) join(lane->clock, cluster.barrier.released);
            return true;
        };
        if (!over()) warp.waits = over;
    };
    return true;
}
} // namespace

bool build_warp(Instruction &i) {
    const std::string &name = i.parts[0];
    i.aligned = i.has("aligned");
    if (name == "shfl" && i.has("sync"))
        i.together = shuffle;
    else if (name == "vote" && i.has("sync"))
        i.together = vote;
    else if (name == "elect" && i.has("sync"))
        i.together = elect;
    else if (name == "bar" && i.has("warp"))
        i.together = meet_lanes;
    else if ((name == "bar" || name == "barrier") && i.has("cluster"))
        return build_cluster_barrier(i);
    else if ((name == "bar" || name == "barrier") && (i.has("sync") || i.has("arrive"))) {
        bool wait = i.has("sync");
        i.aligned = true;
        i.together = [=](Warp &warp) { block_barrier(warp, wait); };
    } else if (name == "ldmatrix" && i.has("m8n8") && i.has("b16") && !i.has("trans"))
        i.together = load_matrices;
    else if (name == "mma" && i.has("sync"))
        return build_mma(i);
    else if (name == "setmaxnreg") {
        u64 count = i.operands[0].number;
        if (count % 8 || count < 24 || count > 256)
            throw Failure("a count of registers that does not exist: " + i.text);
        i.together = [](Warp &) {};
    } else
        return false;
    return true;
}
} // namespace ptx
