/* machine.cpp: who runs when. Nobody may rely on another's pace: threads stop anywhere, warps sleep, copies arrive late
 * and in any order. */
#include "machine.hpp"

#include <algorithm>

namespace ptx {
const Instruction &Thread::instruction() const {
    return machine->entry->code[pc];
}
u32 Thread::special(u32 which) const {
    if (which <= TID_Z) return tid[which];
    if (which <= NTID_Z) return machine->block[which - NTID_X];
    if (which <= CTAID_Z) return block->index[which - CTAID_X];
    if (which <= NCTAID_Z) return machine->grid[which - NCTAID_X];
    return which == LANE ? lane : block->rank;
}
u64 Thread::get(const Operand &source, bool &known) {
    switch (source.kind) {
    case Operand::REGISTER:
        if (marks[source.index] & 2)
            throw Failure("register " + source.name + " is read before the wait for the product that writes it");
        known = known && (marks[source.index] & 1);
        marks[source.index] = (u16)(warp->fences << 2 | (marks[source.index] & 1));
        return bits[source.index];
    case Operand::NUMBER:
        return source.number;
    case Operand::SPECIAL:
        return special(source.index);
    case Operand::PARAMETER:
        return (u64)(machine->parameter_base + source.index);
    case Operand::SHARED:
        return SHARED_BASE;
    case Operand::LOCAL:
        return (u64)local.data();
    default:
        throw Failure("operand " + source.name + " cannot be read");
    }
}
u64 Thread::sure(const Operand &source, const char *what) {
    bool known = true;
    u64 value = get(source, known);
    if (!known) throw Failure(std::string("an undefined value is ") + what);
    return source.address ? value + source.number : value;
}
void Thread::set(const Operand &destination, u64 value, bool known) {
    if (destination.kind == Operand::NONE) return;
    if (destination.kind != Operand::REGISTER) throw Failure("operand " + destination.name + " cannot be written");
    u16 &mark = marks[destination.index];
    if (mark & 2)
        throw Failure("register " + destination.name + " is written before the wait for the product that writes it");
    bits[destination.index] = value;
    mark = (u16)(warp->fences << 2 | known);
}
bool Thread::holds(u32 predicate, bool negated) const {
    if (!(marks[predicate] & 1)) throw Failure("an undefined value decides a branch");
    return (bits[predicate] != 0) != negated;
}
u32 Cluster::products_of(const Warp &warp) const {
    return (u32)threads.size() + warp.block->rank * (u32)warp.block->warps.size() + warp.number;
}
void join(Clock &mine, const Clock &other) {
    if (mine.size() < other.size()) mine.resize(other.size());
    for (size_t i = 0; i < other.size(); ++i) mine[i] = std::max(mine[i], other[i]);
}
u32 Machine::chance() {
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return (u32)(seed >> 33);
}
void Machine::check_global(const void *address, u64 bytes, const char *what) const {
    for (auto &region : regions)
        if ((const u8 *)address >= region.first && (const u8 *)address + bytes <= region.first + region.bytes) return;
    throw Failure(std::string(what) + " outside of all memory that the kernel was given: address " +
                  std::to_string((u64)address) + ", " + std::to_string(bytes) + " bytes");
}

/* Results have one writer: two threads that store to one place are a race, or work done twice. */
void Machine::note_store(const Thread &thread, const void *address, u64 bytes) {
    const u32 *at = thread.block->index, threads = block[0] * block[1] * block[2];
    u32 me = ((at[2] * grid[1] + at[1]) * grid[0] + at[0]) * threads + thread.linear + 1;
    for (auto &region : regions) {
        if ((const u8 *)address < region.first || (const u8 *)address >= region.first + region.bytes) continue;
        region.writers.resize(region.bytes);
        for (u64 i = 0; i < bytes; ++i) {
            u32 &writer = region.writers[(u64)((const u8 *)address - region.first) + i];
            if (writer && writer != me) throw Failure("two threads store to one place in global memory");
            writer = me;
        }
        return;
    }
}

std::unique_ptr<Cluster> Machine::make_cluster(u32 first) {
    auto cluster = std::make_unique<Cluster>();
    u32 count = block[0] * block[1] * block[2], warps = (count + 31) / 32;
    cluster->left = count * cluster_size;
    cluster->clock_size = cluster_size * (count + warps) + 1;
    for (u32 rank = 0; rank < cluster_size; ++rank) {
        auto made = std::make_unique<Block>();
        made->machine = this, made->cluster = cluster.get(), made->rank = rank;
        made->index[0] = (first + rank) % grid[0], made->index[1] = (first + rank) / grid[0] % grid[1];
        made->index[2] = (first + rank) / grid[0] / grid[1];
        made->memory.assign((shared_bytes + 3) / 4 * 4, 0xA5);
        made->words.resize((shared_bytes + 3) / 4);
        made->warps.resize(warps);
        for (u32 t = 0; t < count; ++t) {
            auto thread = std::make_unique<Thread>();
            Warp &warp = made->warps[t / 32];
            thread->machine = this, thread->block = made.get(), thread->warp = &warp;
            thread->linear = t, thread->lane = t % 32, thread->number = (u32)cluster->threads.size();
            thread->tid[0] = t % block[0], thread->tid[1] = t / block[0] % block[1];
            thread->tid[2] = t / block[0] / block[1];
            thread->bits.resize(entry->registers), thread->marks.resize(entry->registers);
            thread->local.resize(entry->local_bytes);
            thread->clock.resize(cluster->clock_size), thread->tick();
            warp.block = made.get(), warp.number = t / 32, warp.lanes[t % 32] = thread.get();
            cluster->threads.push_back(thread.get());
            made->threads.push_back(std::move(thread));
        }
        cluster->blocks.push_back(std::move(made));
    }
    return cluster;
}

/* All lanes that have not left are here: the instruction happens for all of them. */
static bool meet(Warp &warp) {
    const Thread *first = nullptr;
    for (Thread *lane : warp.lanes) {
        if (lane->finished) continue;
        if (!first) first = lane;
        const Instruction &mine = lane->instruction();
        if (mine.opcode != first->instruction().opcode || (mine.aligned && lane->pc != first->pc))
            throw Failure("lanes of a warp met at different instructions: " + mine.text + " and " +
                          first->instruction().text);
    }
    if (first->instruction().aligned && warp.alive < 32)
        throw Failure("lanes of the warp have left before: " + first->instruction().text);
    first->instruction().together(warp);
    if (warp.waits) return true;
    for (Thread *lane : warp.lanes)
        if (!lane->finished) lane->waits_for_warp = false, ++lane->pc;
    warp.arrived = 0;
    return true;
}

bool Machine::run_thread(Thread &thread) {
    running = &thread;
    u32 budget = chance() % 4 ? 2000 : 1 + chance() % 64;
    bool progress = false;
    for (; budget && !thread.finished; --budget) {
        if (++steps > 4000000000ull) throw Failure("four billion instructions and no end");
        if (thread.pc >= entry->code.size()) throw Failure("ran past the end of the code");
        const Instruction &now = entry->code[thread.pc];
        if (now.guard >= 0 && !thread.holds((u32)now.guard, now.negated)) {
            ++thread.pc, progress = true;
            continue;
        }
        if (now.together) {
            thread.waits_for_warp = true, ++thread.warp->arrived;
            if (thread.warp->arrived == thread.warp->alive) meet(*thread.warp);
            return true;
        }
        Step step = now.alone(thread);
        if (step == Step::STAY) return progress;
        progress = true;
        if (step == Step::NEXT) ++thread.pc;
        if (step == Step::DONE) {
            thread.finished = true;
            --thread.block->cluster->left;
            if (--thread.warp->alive && thread.warp->arrived == thread.warp->alive) meet(*thread.warp);
        }
    }
    return progress;
}

bool Machine::run_warp(Warp &warp) {
    bool progress = false;
    if (warp.waits) {
        running = warp.lanes[0];
        if (!warp.waits()) return false;
        warp.waits = nullptr, warp.arrived = 0, progress = true;
        for (Thread *lane : warp.lanes) lane->waits_for_warp = false, ++lane->pc;
    }
    u32 start = chance();
    for (u32 i = 0; i < 32; ++i) {
        Thread &lane = *warp.lanes[(start + i) % 32];
        if (!lane.finished && !lane.waits_for_warp) progress |= run_thread(lane);
    }
    return progress;
}

bool Machine::round(Cluster &cluster) {
    u32 warps = (u32)(cluster.threads.size() / 32), start = chance();
    bool progress = false;
    if (chance() % 16 == 0) cluster.asleep = chance() % (2 * warps);
    for (u32 i = 0; i < warps; ++i) {
        u32 number = (start + i) % warps;
        if (number != cluster.asleep) progress |= run_warp(*cluster.threads[number * 32]->warp);
    }
    if (!progress && cluster.asleep < warps) return cluster.asleep = ~0u, true;
    if (!cluster.copies.empty() && (!progress || chance() % 4 == 0)) {
        size_t at = chance() % cluster.copies.size();
        auto deliver = std::move(cluster.copies[at]);
        cluster.copies.erase(cluster.copies.begin() + (long)at);
        running = nullptr;
        deliver();
        progress = true;
    }
    return progress;
}

std::string Machine::where_all_wait(const std::vector<std::unique_ptr<Cluster>> &resident) const {
    std::map<std::string, u32> places;
    for (auto &cluster : resident)
        for (Thread *thread : cluster->threads)
            if (!thread->finished) ++places[thread->instruction().text];
    std::string all = "deadlock: every thread waits for another:";
    for (auto &place : places) all += " " + std::to_string(place.second) + " at `" + place.first + "`;";
    return all;
}

/* A few clusters are resident at a time, in the order of their numbers. */
void Machine::run() {
    std::vector<std::unique_ptr<Cluster>> resident;
    u32 total = grid[0] * grid[1] * grid[2], next = 0, places = 1 + chance() % 3;
    try {
        while (next < total || !resident.empty()) {
            for (; next < total && resident.size() < places; next += cluster_size)
                resident.push_back(make_cluster(next));
            bool progress = false;
            for (auto &cluster : resident) progress |= round(*cluster);
            running = nullptr;
            if (!progress) throw Failure(where_all_wait(resident));
            for (size_t i = resident.size(); i-- > 0;) {
                if (resident[i]->left) continue;
                if (!resident[i]->copies.empty()) throw Failure("a block ended while a copy was still under way");
                resident.erase(resident.begin() + (long)i);
            }
        }
    } catch (const Failure &failure) {
        if (!running) throw;
        bool ended = running->pc >= entry->code.size();
        throw Failure(std::string(failure.what()) + " [block " + std::to_string(running->block->index[0]) +
                      ", thread " + std::to_string(running->linear) + ", at `" +
                      (ended ? "the end" : running->instruction().text) + "`]");
    }
}
} // namespace ptx
