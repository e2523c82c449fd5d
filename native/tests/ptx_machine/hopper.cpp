/* hopper.cpp: barriers in shared memory, the bulk tensor copy, products of warpgroups, clusters. */
#include "hopper.hpp"

namespace ptx {
namespace {
/* The barrier there; its user must know that it has been initialised. */
Barrier &barrier_at(const Place &place, const Clock &clock) {
    auto found = place.block->barriers.find(place.offset);
    if (found == place.block->barriers.end()) throw Failure("a barrier is used and was never initialised");
    if (!found->second.made.before(clock))
        throw Failure("a barrier is used, and nothing orders that after its initialisation");
    return found->second;
}
void step(Barrier &b, u32 arrivals, i64 bytes) {
    if (b.pending < arrivals) throw Failure("more arrivals than a barrier expects");
    b.pending -= arrivals, b.bytes += bytes;
    if (b.pending || b.bytes) return;
    b.phase ^= 1, b.pending = b.count, b.released = b.gathered;
}
void gather(Barrier &b, Thread &t) {
    join(b.gathered, t.clock);
    t.tick();
}
bool build_barrier(Instruction &i) {
    std::vector<Operand> o = i.operands;
    if (i.has("init")) {
        i.alone = [=](Thread &t) {
            Place place = shared_place(t, t.sure(o[0], "an address"), 8, 8, "a barrier");
            u32 count = (u32)t.sure(o[1], "a count");
            if (!count || count >= 1u << 20) throw Failure("a barrier for a count that does not exist");
            touch_write(place, 8, t.clock, {t.number, t.clock[t.number]}, false);
            Barrier made;
            made.count = made.pending = count, made.made = {t.number, t.clock[t.number]};
            place.block->barriers[place.offset] = made;
            return Step::NEXT;
        };
        return true;
    }
    if (i.has("try_wait") || i.has("test_wait")) {
        bool parks = i.has("try_wait");
        if (!i.has("parity")) return false;
        i.alone = [=](Thread &t) {
            Place place = shared_place(t, t.sure(o[1], "an address"), 8, 8, "a barrier");
            Barrier &b = barrier_at(place, t.clock);
            u64 parity = t.sure(o[2], "a parity");
            if (parity > 1) throw Failure("a parity is 0 or 1");
            bool over = b.phase != parity;
            /* It may give up, and does so now and then, but not for ever: a deadlock has to show. */
            if (!over && parks && (t.machine->chance() % 64 || ++t.gave_up > 2)) return Step::STAY;
            if (over) t.gave_up = 0;
            if (over) join(t.clock, b.released);
            t.set(o[0], over, true);
            return Step::NEXT;
        };
        return true;
    }
    if (!i.has("arrive") || o[0].kind != Operand::NONE || i.has("noComplete")) return false;
    bool expects = i.has("expect_tx"), wide = i.has("cluster") && i.has("shared::cluster");
    i.alone = [=](Thread &t) {
        Place place = shared_place(t, t.sure(o[1], "an address"), 8, 8, "a barrier");
        Barrier &b = barrier_at(place, t.clock);
        if (place.block != t.block && !wide)
            throw Failure("a barrier of another block takes arrivals of cluster scope only");
        gather(b, t);
        u32 count = !expects && o.size() > 2 ? (u32)t.sure(o[2], "a count") : 1;
        step(b, count, expects ? (i64)t.sure(o[2], "a count of bytes") : 0);
        return Step::NEXT;
    };
    return true;
}

struct Box {
    const TensorMap *map;
    int corner[4];
};
void deliver(const Box &box, const Place &to, const Place &barrier, const Clock &clock, Touch me) {
    const TensorMap &m = *box.map;
    u32 bytes = m.box[0] * m.places();
    for (u32 at = 0; at < bytes; at += 4) to.block->words[(to.offset + at) / 4].in_flight = false;
    touch_write(to, bytes, clock, me, false);
    for (u32 i = 0; i < bytes; ++i) {
        u64 from = m.address;
        bool inside = true;
        for (u32 axis = 0, rest = i; axis < 4; rest /= m.box[axis], ++axis) {
            i64 at = (i64)box.corner[axis] + (i64)(rest % m.box[axis] * m.step[axis]);
            inside = inside && at >= 0 && (u64)at < m.size[axis];
            from += (u64)at * (axis ? m.stride[axis - 1] : 1);
        }
        u8 value = inside ? *(const u8 *)from : 0;
        to.block->memory[swizzled(to.offset + SHARED_BASE + i, m.box[0]) - SHARED_BASE] = value;
    }
    Barrier &b = barrier.block->barriers.at(barrier.offset);
    join(b.gathered, clock);
    step(b, 0, -(i64)bytes);
}
bool build_tensor_copy(Instruction &i) {
    std::vector<Operand> o = i.operands;
    bool multicast = i.has("multicast::cluster");
    u32 rank = i.has("2d") ? 2 : i.has("3d") ? 3 : i.has("4d") ? 4 : 0;
    if (!rank || !i.has("mbarrier::complete_tx::bytes") || !i.has("global") || o.size() != 3u + multicast) return false;
    i.alone = [=](Thread &t) {
        u64 at = t.sure(o[1], "an address");
        const u8 *first = t.machine->parameter_base, *last = first + t.machine->entry->parameter_bytes;
        if ((const u8 *)at < first || (const u8 *)at + sizeof(TensorMap) > last || (at - (u64)first) % 64)
            throw Failure("a tensor map is not a parameter on a multiple of 64 bytes");
        Box box = {(const TensorMap *)at, {}};
        const TensorMap &map = *box.map;
        if (map.magic != TENSOR_MAP_MAGIC) throw Failure("what should be a tensor map is none");
        if (map.rank != rank || o[1].parts[0].parts.size() != rank)
            throw Failure("a copy and its tensor map differ in their axes");
        for (u32 axis = 0; axis < rank; ++axis)
            box.corner[axis] = (int)t.sure(o[1].parts[0].parts[axis], "a coordinate");
        u64 extent = map.size[0];
        for (u32 axis = 1; axis < 4; ++axis) extent += (map.size[axis] - 1) * map.stride[axis - 1];
        t.machine->check_global((const void *)map.address, extent, "a tensor map");
        u32 mask = multicast ? (u32)t.sure(o[3], "a mask") : 0, bytes = map.box[0] * map.places();
        Cluster &cluster = *t.block->cluster;
        if (multicast && (!mask || mask >> cluster.blocks.size())) throw Failure("a mask of blocks that do not exist");
        Place to = shared_place(t, t.sure(o[0], "an address"), bytes, 128, "a tile");
        Place barrier = shared_place(t, t.sure(o[2], "an address"), 8, 8, "a barrier");
        if (to.block != barrier.block || (multicast && to.block != t.block))
            throw Failure("a tile and its barrier are in two blocks");
        for (u32 rank = 0; rank < cluster.blocks.size(); ++rank) {
            if (multicast ? !(mask >> rank & 1) : rank != to.block->rank) continue;
            Place place = {cluster.blocks[rank].get(), to.offset}, there = {place.block, barrier.offset};
            if (!barrier_at(there, t.clock).fenced)
                throw Failure("a barrier's initialisation was not fenced for the copy engine");
            reserve(place, bytes, t.clock);
            Clock clock = t.clock;
            Touch me = {cluster.engine(), clock[cluster.engine()] = ++cluster.engine_time};
            cluster.copies.push_back([=] { deliver(box, place, there, clock, me); });
        }
        t.tick();
        return Step::NEXT;
    };
    return true;
}
bool build_fence(Instruction &i) {
    if (i.has("mbarrier_init") && i.has("release") && i.has("cluster"))
        i.alone = [](Thread &t) {
            for (auto &barrier : t.block->barriers)
                if (barrier.second.made.who == t.number) barrier.second.fenced = true;
            return Step::NEXT;
        };
    else if (i.opcode == "fence.proxy.async" || i.opcode == "fence.proxy.async.shared::cta")
        i.alone = [](Thread &t) {
            t.proxy_fence = t.clock[t.number];
            t.tick();
            return Step::NEXT;
        };
    return (bool)i.alone;
}
} // namespace

bool build_hopper(Instruction &i) {
    const std::string &name = i.parts[0];
    if (name == "trap") {
        i.alone = [](Thread &) -> Step { throw Failure("trap"); };
        return true;
    }
    if (name == "wgmma") return build_warpgroup(i);
    if (name == "mbarrier") return build_barrier(i);
    if (name == "fence") return build_fence(i);
    if (name == "cp" && i.has("bulk") && i.has("tensor")) return build_tensor_copy(i);
    if (name == "mapa" && i.has("shared::cluster") && i.parts.back() == "u32") {
        std::vector<Operand> o = i.operands;
        i.alone = [=](Thread &t) {
            u64 rank = t.sure(o[2], "a block's number");
            if (rank >= t.block->cluster->blocks.size()) throw Failure("mapa names a block outside of the cluster");
            t.set(o[0], (t.sure(o[1], "an address") & 0xFFFFFF) | (rank + 1) << 24, true);
            return Step::NEXT;
        };
        return true;
    }
    return false;
}
} // namespace ptx
