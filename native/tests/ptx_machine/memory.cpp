/* memory.cpp: loads, stores, atomics and the copies of single threads; who touched shared memory, and whether it was
 * his turn: a race is a touch that did not happen after the touches it depends on. */
#include "machine.hpp"

#include <algorithm>

namespace ptx {
Place shared_place(const Thread &thread, u64 address, u32 bytes, u32 align, const char *what) {
    u32 rank = (u32)address >> 24;
    if (rank > thread.block->cluster->blocks.size()) throw Failure(std::string(what) + " outside of the cluster");
    Block *block = rank ? thread.block->cluster->blocks[rank - 1].get() : thread.block;
    u32 offset = ((u32)address & 0xFFFFFF) - SHARED_BASE;
    if ((u32)address % align)
        throw Failure(std::string(what) + " in shared memory is not aligned to " + std::to_string(align));
    if ((u64)offset + bytes > thread.machine->shared_bytes)
        throw Failure(std::string(what) + " outside of shared memory, at byte " + std::to_string((int)offset));
    return {block, offset};
}
namespace {
[[noreturn]] void race(u32 word, const char *what, Touch other) {
    throw Failure(std::string("race at byte ") + std::to_string(word * 4) + " of shared memory: " + what + " thread " +
                  std::to_string(other.who) + " of the cluster, and nothing orders the two");
}
} // namespace
void touch_read(const Place &place, u32 bytes, const Clock &clock, Touch me) {
    for (u32 at = place.offset; at < place.offset + bytes; at = at / 4 * 4 + 4) {
        Word &word = place.block->words[at / 4];
        u32 end = std::min(place.offset + bytes, at / 4 * 4 + 4);
        u8 wanted = (u8)(((1 << (end - at)) - 1) << at % 4);
        if (word.in_flight)
            throw Failure("byte " + std::to_string(at) + " of shared memory is read while a copy is on its way there");
        if ((word.written & wanted) != wanted)
            throw Failure("byte " + std::to_string(at) + " of shared memory is read and was never written");
        if (!word.write.before(clock)) race(at / 4, "read after a write by", word.write);
        bool found = false;
        for (Touch &read : word.reads)
            if (read.who == me.who) read.when = me.when, found = true;
        if (!found) word.reads.push_back(me);
    }
}
namespace {
void check_free(const Place &place, u32 at, const Word &word, const Clock &clock) {
    if (word.in_flight)
        throw Failure("byte " + std::to_string(at) + " of shared memory is written while a copy is on its way there");
    if (!word.write.before(clock)) race(at / 4, "written after a write by", word.write);
    for (const Touch &read : word.reads)
        if (!read.before(clock)) race(at / 4, "written after a read by", read);
}
} // namespace
void touch_write(const Place &place, u32 bytes, const Clock &clock, Touch me, bool ordinary) {
    for (u32 at = place.offset; at < place.offset + bytes; at = at / 4 * 4 + 4) {
        Word &word = place.block->words[at / 4];
        u32 end = std::min(place.offset + bytes, at / 4 * 4 + 4);
        check_free(place, at, word, clock);
        word.reads.clear();
        word.write = me, word.ordinary = ordinary;
        word.written |= (u8)(((1 << (end - at)) - 1) << at % 4);
    }
}
void reserve(const Place &place, u32 bytes, const Clock &clock) {
    for (u32 at = place.offset; at < place.offset + bytes; at = at / 4 * 4 + 4) {
        Word &word = place.block->words[at / 4];
        check_free(place, at, word, clock);
        word.in_flight = true;
    }
}
namespace {
struct Access {
    Operand address;
    std::vector<Operand> values;
    u32 bits, bytes; /* of one value, of all */
    bool is_signed, is_parameter, is_shared, checks_races;
};
/* Where an access goes; shared memory's record is kept on the way. */
u8 *locate(Thread &t, const Access &a, bool write) {
    u64 address = t.sure(a.address, "an address");
    if (a.is_shared || (address >= SHARED_WINDOW && address < SHARED_WINDOW + (1u << 30))) {
        u64 at = address >= SHARED_WINDOW ? address - SHARED_WINDOW : address;
        Place place = shared_place(t, at, a.bytes, a.bytes, write ? "a store" : "a load");
        Touch me = {t.number, t.clock[t.number]};
        if (a.checks_races)
            write ? touch_write(place, a.bytes, t.clock, me, true) : touch_read(place, a.bytes, t.clock, me);
        return &place.block->memory[place.offset];
    }
    if (address % a.bytes) throw Failure("an access of " + std::to_string(a.bytes) + " bytes is not aligned");
    const u8 *p = (const u8 *)address, *local = t.local.data(), *parameters = t.machine->parameter_base;
    bool in_parameters = p >= parameters && p + a.bytes <= parameters + t.machine->entry->parameter_bytes;
    bool in_local = p >= local && p + a.bytes <= local + t.local.size();
    if (a.is_parameter && !in_parameters) throw Failure("a parameter is read past the end of all");
    if (!in_parameters && !in_local) t.machine->check_global(p, a.bytes, write ? "a store" : "a load");
    if (write && a.checks_races && !in_local) t.machine->note_store(t, p, a.bytes);
    if (write && in_parameters) throw Failure("a store to the parameters");
    return (u8 *)address;
}
Access access(const Instruction &i, const Operand &address, const Operand &value) {
    Access a;
    a.address = address;
    a.values = value.kind == Operand::VECTOR ? value.parts : std::vector<Operand>{value};
    a.bits = bits_of_type(i.parts.back());
    a.bytes = a.bits / 8 * (u32)a.values.size();
    a.is_signed = i.parts.back()[0] == 's';
    a.is_parameter = i.has("param");
    a.is_shared = i.has("shared") || i.has("shared::cta") || i.has("shared::cluster");
    a.checks_races = true;
    return a;
}
bool build_load(Instruction &i) {
    Access a = access(i, i.operands[1], i.operands[0]);
    i.alone = [=](Thread &t) {
        const u8 *from = locate(t, a, false);
        for (size_t j = 0; j < a.values.size(); ++j) {
            u64 value = 0;
            memcpy(&value, from + j * a.bits / 8, a.bits / 8);
            t.set(a.values[j], a.is_signed ? (u64)extended(value, a.bits) : value, true);
        }
        return Step::NEXT;
    };
    return true;
}
bool build_store(Instruction &i) {
    Access a = access(i, i.operands[0], i.operands[1]);
    i.alone = [=](Thread &t) {
        u8 *to = locate(t, a, true);
        for (size_t j = 0; j < a.values.size(); ++j) {
            u64 value = t.sure(a.values[j], "stored");
            memcpy(to + j * a.bits / 8, &value, a.bits / 8);
        }
        return Step::NEXT;
    };
    return true;
}
u64 combine(const std::string &how, u64 old, u64 value, u64 other, u32 bits, bool is_signed) {
    if (how == "add") return old + value;
    if (how == "and") return old & value;
    if (how == "or") return old | value;
    if (how == "xor") return old ^ value;
    if (how == "exch") return value;
    if (how == "cas") return old == low_bits(value, bits) ? other : old;
    if (how == "inc") return old >= low_bits(value, bits) ? 0 : old + 1;
    bool less = is_signed ? extended(value, bits) < extended(old, bits) : low_bits(value, bits) < old;
    if (how == "min") return less ? value : old;
    if (how == "max") return less ? old : value;
    throw Failure("an atomic operation that is not modelled: " + how);
}
bool build_atomic(Instruction &i) {
    bool returns = i.parts[0] == "atom";
    Access a = access(i, i.operands[returns], i.operands[returns + 1]);
    a.checks_races = false;
    std::string how = i.parts[i.parts.size() - 2];
    combine(how, 0, 0, 0, 32, false);
    if (i.parts.back()[0] == 'f' || a.values.size() > 1) return false;
    std::vector<Operand> o = i.operands;
    i.alone = [=](Thread &t) {
        u8 *at = locate(t, a, true);
        u64 old = 0, value = t.sure(o[returns + 1], "stored");
        memcpy(&old, at, a.bits / 8);
        u64 made = combine(how, old, value, o.size() > returns + 2u ? t.sure(o[returns + 2], "stored") : 0, a.bits,
                           a.is_signed);
        memcpy(at, &made, a.bits / 8);
        if (returns) t.set(o[0], old, true);
        return Step::NEXT;
    };
    return true;
}
void perform(Thread &t, Thread::Copy &copy, bool last) {
    u8 *to = &copy.block->memory[copy.offset];
    if (!copy.done) memset(to, 0, copy.bytes), memcpy(to, copy.from, copy.valid), copy.done = true;
    if (!last) return;
    for (u32 at = copy.offset; at < copy.offset + copy.bytes; at += 4) copy.block->words[at / 4].in_flight = false;
    touch_write({copy.block, copy.offset}, copy.bytes, t.clock, {t.number, t.clock[t.number]}, true);
}
/* cp.async: happens at any time until its thread waits for it; nobody may touch the place until then. */
bool build_copy(Instruction &i) {
    std::vector<Operand> o = i.operands;
    if (i.opcode == "cp.async.commit_group") {
        i.alone = [](Thread &t) {
            t.committed.push_back(std::move(t.open));
            t.open.clear();
            return Step::NEXT;
        };
    } else if (i.opcode == "cp.async.wait_group") {
        u64 pending = o[0].number;
        i.alone = [=](Thread &t) {
            for (; t.committed.size() > pending; t.committed.pop_front())
                for (auto &copy : t.committed.front()) perform(t, copy, true);
            return Step::NEXT;
        };
    } else {
        bool whole = i.has("cg");
        i.alone = [=](Thread &t) {
            u32 bytes = (u32)o[2].number;
            if (bytes != 16 && (whole || (bytes != 4 && bytes != 8)))
                throw Failure("a copy of a size that does not exist");
            u32 valid = o.size() > 3 ? (u32)t.sure(o[3], "a size") : bytes;
            const u8 *from = (const u8 *)t.sure(o[1], "an address");
            if (valid > bytes) throw Failure("a copy reads more than it writes");
            if ((u64)from % bytes)
                throw Failure("a copy's source is not aligned to its " + std::to_string(bytes) + " bytes");
            if (valid) t.machine->check_global(from, valid, "a copy");
            Place place = shared_place(t, t.sure(o[0], "an address"), bytes, bytes, "a copy");
            reserve(place, bytes, t.clock);
            t.open.push_back({place.block, place.offset, bytes, valid, from, false});
            if (t.machine->chance() % 2) perform(t, t.open.back(), false);
            return Step::NEXT;
        };
    }
    return true;
}
} // namespace

bool build_memory(Instruction &i) {
    const std::string &name = i.parts[0];
    if (name == "cp" && i.has("async") && !i.has("bulk")) return build_copy(i);
    if (name == "atom" || name == "red") return build_atomic(i);
    if (name == "ld") return build_load(i);
    if (name == "st") return build_store(i);
    if (name == "membar" || (name == "fence" && (i.has("acq_rel") || i.has("sc")))) {
        i.alone = [](Thread &) { return Step::NEXT; };
        return true;
    }
    return false;
}
} // namespace ptx
