/* warpgroup.cpp: wgmma. A product is computed when its warp waits for it, and until then its registers may not be
 * touched; its operands are read then, so a stage that was given back too early shows. They must have been there when
 * it was issued: what its warp learns later does not order them. */
#include "hopper.hpp"

namespace ptx {
namespace {
/* The bytes of a row in a descriptor's swizzle: 128, 64 or 32. */
u32 row_bytes(u64 descriptor) {
    return 256u >> (descriptor >> 62);
}
/* 32 bytes of k of one row: groups of eight rows `stride` apart. */
void read_row(Block &block, u64 descriptor, u32 row, u8 *to, const Clock &clock, Touch me) {
    u32 start = (u32)(descriptor & 0x3FFF) << 4, stride = (u32)(descriptor >> 32 & 0x3FFF) << 4;
    u32 first = start + row / 8 * stride + row % 8 * row_bytes(descriptor);
    for (u32 chunk = 0; chunk < 2; ++chunk) {
        u32 at = swizzled(first + 16 * chunk, row_bytes(descriptor)) - SHARED_BASE;
        if ((u64)at + 16 > block.machine->shared_bytes) throw Failure("a product reads outside of shared memory");
        touch_read({&block, at}, 16, clock, me);
        for (u32 word = at / 4; word < at / 4 + 4; ++word) {
            const Word &read = block.words[word];
            if (!read.ordinary) continue;
            if (block.cluster->threads[read.write.who]->proxy_fence < read.write.when)
                throw Failure("a product reads what an ordinary store wrote, without fence.proxy.async");
        }
        memcpy(to + 16 * chunk, &block.memory[at], 16);
    }
}
void check_descriptor(u64 descriptor) {
    if (!(descriptor >> 62)) throw Failure("a descriptor without a swizzle is not modelled");
    if (descriptor >> 46 & 0xFFFF) throw Failure("a descriptor has bits that should be 0");
    u32 start = (u32)(descriptor & 0x3FFF) << 4;
    if (start % (8 * row_bytes(descriptor)) >= row_bytes(descriptor))
        throw Failure("a descriptor's rows do not begin at a multiple of eight rows");
}
/* This warp's 16 of the 64 rows. */
void compute(Warp &warp, const Product &p, const std::vector<u32> &registers, const Clock &clock) {
    Block &block = *warp.block;
    u32 who = block.cluster->products_of(warp);
    Touch me = {who, warp.lanes[0]->clock[who] + 1}; /* what those know who know of the wait */
    u8 a[16][32];
    std::vector<u8> b(p.columns * 32);
    for (u32 row = 0; row < 16; ++row) read_row(block, p.a, warp.number % 4 * 16 + row, a[row], clock, me);
    for (u32 row = 0; row < p.columns; ++row) read_row(block, p.b, row, &b[row * 32], clock, me);
    bool bits = p.opcode.find(".b1.b1.and.popc") != std::string::npos,
         is_u8 = p.opcode.find(".u8.s8") != std::string::npos;
    for (Thread *lane : warp.lanes)
        for (u32 i = 0; i < p.columns / 2; ++i) {
            const u8 *x = a[lane->lane / 4 + 8 * (i / 2 % 2)], *w = &b[(i / 4 * 8 + lane->lane % 4 * 2 + i % 2) * 32];
            u32 sum = p.add ? (u32)lane->bits[registers[i]] : 0;
            if (p.add && !(lane->marks[registers[i]] & 1)) throw Failure("a product adds to an undefined value");
            for (u32 j = 0; j < 32; ++j)
                sum +=
                    bits ? (u32)__builtin_popcount(x[j] & w[j]) : (u32)((is_u8 ? x[j] : (int8_t)x[j]) * (int8_t)w[j]);
            lane->bits[registers[i]] = sum, lane->marks[registers[i]] |= 1;
        }
}
void issue(Warp &warp, u32 columns) {
    const Instruction &i = warp.instruction();
    const std::vector<Operand> &o = i.operands;
    if (o.size() != 4 || o[0].parts.size() != columns / 2)
        throw Failure("registers of a product that do not fit its shape");
    Product p = {i.opcode, warp.lanes[0]->sure(o[1], "a descriptor"), warp.lanes[0]->sure(o[2], "a descriptor"),
                 warp.lanes[0]->sure(o[3], "a predicate") != 0, columns};
    check_descriptor(p.a), check_descriptor(p.b);
    for (Thread *lane : warp.lanes)
        if (lane->sure(o[1], "a descriptor") != p.a || lane->sure(o[2], "a descriptor") != p.b ||
            (lane->sure(o[3], "a predicate") != 0) != p.add)
            throw Failure("lanes of a warp issue different products");
    auto &queue = warp.block->products[warp.number / 4];
    if (warp.issued == queue.size()) queue.push_back(p);
    Product &known = queue[warp.issued++];
    if (known.opcode != p.opcode || known.a != p.a || known.b != p.b || known.add != p.add)
        throw Failure("warps of a warpgroup issue different products");
    ++known.issued;
    std::vector<u32> registers;
    for (auto &part : o[0].parts) registers.push_back(part.index);
    for (Thread *lane : warp.lanes)
        for (u32 each : registers) {
            u16 &mark = lane->marks[each];
            /* Products may follow each other on the same registers; after anything else that used them, and before
             * the first of all, there is a fence. */
            if (!(mark & 2) && mark >> 2 == (warp.fences & 0x3FFF))
                throw Failure("an accumulator was used after the last wgmma.fence");
            mark |= 2;
        }
    warp.accumulators.push_back(registers), warp.issues.push_back(warp.lanes[0]->clock);
}
void wait(Warp &warp, u64 pending) {
    size_t groups = warp.groups.size();
    u32 target = groups > pending ? warp.groups[groups - 1 - pending] : 0;
    auto over = [&warp, target, first = warp.done] {
        auto &queue = warp.block->products[warp.number / 4];
        if (target > warp.done && queue[target - 1].issued < 4) return false; /* the other warps have to come */
        for (; warp.done < target; ++warp.done)
            compute(warp, queue[warp.done], warp.accumulators[warp.done], warp.issues[warp.done]);
        for (Thread *lane : warp.lanes)
            for (u32 i = first; i < target; ++i)
                for (u32 each : warp.accumulators[i]) lane->marks[each] &= (u16)~2;
        for (Thread *lane : warp.lanes) /* those that a later product is writing */
            for (u32 i = target; i < warp.issued; ++i)
                for (u32 each : warp.accumulators[i]) lane->marks[each] |= 2;
        u32 who = warp.block->cluster->products_of(warp), now = warp.lanes[0]->clock[who] + 1;
        for (Thread *lane : warp.lanes) lane->clock[who] = now;
        return true;
    };
    if (!over()) warp.waits = over;
}
} // namespace

bool build_warpgroup(Instruction &i) {
    i.aligned = true;
    if (i.opcode == "wgmma.fence.sync.aligned")
        i.together = [](Warp &warp) { ++warp.fences; };
    else if (i.opcode == "wgmma.commit_group.sync.aligned")
        i.together = [](Warp &warp) { warp.groups.push_back(warp.issued); };
    else if (i.opcode == "wgmma.wait_group.sync.aligned") {
        u64 pending = i.operands[0].number;
        i.together = [=](Warp &warp) { wait(warp, pending); };
    } else if (i.has("mma_async")) {
        bool bits = i.has("b1") && i.has("and") && i.has("popc"), bytes = i.has("s8");
        u32 columns = 0, k = 0;
        for (auto &part : i.parts) sscanf(part.c_str(), "m64n%uk%u", &columns, &k);
        bool exists = columns && columns <= 256 && columns % (columns <= 32 ? 8 : 16) == 0;
        if (!exists || !(bits || bytes) || k != (bits ? 256u : 32u)) return false;
        i.together = [=](Warp &warp) { issue(warp, columns); };
    } else
        return false;
    return true;
}
} // namespace ptx
