/* scalar.cpp: arithmetic, comparisons, conversions, moves and branches: what a thread does alone, in registers. */
#include "machine.hpp"

namespace ptx {
namespace {
typedef std::function<Step(Thread &)> Act;
float to_float(u64 bits) {
    u32 low = (u32)bits;
    float value;
    memcpy(&value, &low, 4);
    return value;
}
u64 of_float(float value) {
    u32 bits;
    memcpy(&bits, &value, 4);
    return bits;
}

/* Operands as numbers of `width` bits, extended by their sign where the type has one; the result cut to `out` bits. */
template <int COUNT, class Compute> Act act(const Instruction &i, u32 width, bool is_signed, u32 out, Compute compute) {
    if (i.operands.size() != COUNT + 1) throw Failure("operands of: " + i.text);
    std::vector<Operand> o = i.operands;
    return [=](Thread &t) {
        u64 v[COUNT];
        bool known = true;
        for (int j = 0; j < COUNT; ++j) {
            v[j] = t.get(o[j + 1], known);
            v[j] = is_signed ? (u64)extended(v[j], width) : low_bits(v[j], width);
        }
        t.set(o[0], low_bits(compute(v), out), known);
        return Step::NEXT;
    };
}
Act float_act(const Instruction &i) {
    const std::string &name = i.parts[0];
    for (auto &part : i.parts)
        if (part == "ftz" || part == "sat" || part == "rz" || part == "approx") return nullptr;
    if (name == "add")
        return act<2>(i, 32, false, 32, [](u64 *v) { return of_float(to_float(v[0]) + to_float(v[1])); });
    if (name == "sub")
        return act<2>(i, 32, false, 32, [](u64 *v) { return of_float(to_float(v[0]) - to_float(v[1])); });
    if (name == "mul")
        return act<2>(i, 32, false, 32, [](u64 *v) { return of_float(to_float(v[0]) * to_float(v[1])); });
    if (name == "fma")
        return act<3>(i, 32, false, 32,
                      [](u64 *v) { return of_float(__builtin_fmaf(to_float(v[0]), to_float(v[1]), to_float(v[2]))); });
    if (name == "neg") return act<1>(i, 32, false, 32, [](u64 *v) { return v[0] ^ 0x80000000u; });
    return nullptr;
}
Act whole_act(const Instruction &i, u32 w, bool s) {
    const std::string &name = i.parts[0];
    if (name == "add") return act<2>(i, w, s, w, [](u64 *v) { return v[0] + v[1]; });
    if (name == "sub") return act<2>(i, w, s, w, [](u64 *v) { return v[0] - v[1]; });
    if (name == "neg") return act<1>(i, w, s, w, [](u64 *v) { return -v[0]; });
    if (name == "abs") return act<1>(i, w, s, w, [](u64 *v) { return (i64)v[0] < 0 ? -v[0] : v[0]; });
    if (name == "mul" && i.has("lo")) return act<2>(i, w, s, w, [](u64 *v) { return v[0] * v[1]; });
    if (name == "mul" && i.has("wide")) return act<2>(i, w, s, 2 * w, [](u64 *v) { return v[0] * v[1]; });
    if (name == "mul" && i.has("hi"))
        return act<2>(i, w, s, w, [=](u64 *v) {
            return s ? (u64)(((__int128)(i64)v[0] * (i64)v[1]) >> w) : (u64)(((unsigned __int128)v[0] * v[1]) >> w);
        });
    if (name == "mad" && i.has("lo")) return act<3>(i, w, s, w, [](u64 *v) { return v[0] * v[1] + v[2]; });
    if (name == "div" || name == "rem") {
        bool rest = name == "rem";
        return act<2>(i, w, s, w, [=](u64 *v) {
            if (!v[1]) throw Failure("a division by zero");
            if (s) return (u64)(rest ? (i64)v[0] % (i64)v[1] : (i64)v[0] / (i64)v[1]);
            return rest ? v[0] % v[1] : v[0] / v[1];
        });
    }
    if (name == "min" || name == "max") {
        bool least = name == "min";
        return act<2>(i, w, s, w, [=](u64 *v) {
            bool first = s ? (i64)v[0] < (i64)v[1] : v[0] < v[1];
            return first == least ? v[0] : v[1];
        });
    }
    if (name == "and") return act<2>(i, w, s, w, [](u64 *v) { return v[0] & v[1]; });
    if (name == "or") return act<2>(i, w, s, w, [](u64 *v) { return v[0] | v[1]; });
    if (name == "xor") return act<2>(i, w, s, w, [](u64 *v) { return v[0] ^ v[1]; });
    if (name == "not") return act<1>(i, w, s, w, [](u64 *v) { return ~v[0]; });
    if (name == "popc") return act<1>(i, w, s, 32, [](u64 *v) { return (u64)__builtin_popcountll(v[0]); });
    if (name == "shl" || name == "shr") { /* the distance has 32 bits, and from the width on all bits leave */
        bool left = name == "shl";
        return act<2>(i, 64, false, w, [=](u64 *v) {
            u64 value = s ? (u64)extended(v[0], w) : low_bits(v[0], w), by = (u32)v[1];
            if (by >= w) return s && !left && (i64)value < 0 ? ~0ull : 0ull;
            return (unsigned long long)(left ? value << by : s ? (u64)((i64)value >> by) : value >> by);
        });
    }
    if (name == "shf") {
        bool left = i.has("l"), wraps = i.has("wrap");
        return act<3>(i, 32, false, 32, [=](u64 *v) {
            u64 both = v[1] << 32 | v[0], by = wraps ? v[2] & 31 : v[2] > 32 ? 32 : v[2];
            return left ? both << by >> 32 : both >> by;
        });
    }
    if (name == "bfi")
        return act<4>(i, 64, false, w, [=](u64 *v) {
            u64 at = v[2] & 255, count = v[3] & 255;
            u64 mask = at >= w ? 0 : low_bits(low_bits(~0ull, count > 64 ? 64 : (u32)count) << at, w);
            return (low_bits(v[1], w) & ~mask) | (at >= w ? 0 : v[0] << at & mask);
        });
    if (name == "prmt" && i.parts.size() == 2)
        return act<3>(i, 32, false, 32, [](u64 *v) {
            u64 both = v[1] << 32 | v[0], out = 0;
            for (int byte = 0; byte < 4; ++byte) {
                u64 select = v[2] >> (4 * byte) & 15, found = both >> (8 * (select & 7)) & 255;
                if (select & 8) found = found & 128 ? 255 : 0;
                out |= found << (8 * byte);
            }
            return out;
        });
    return nullptr;
}
bool compare(const std::string &how, int order, bool comparable) {
    if (how == "eq") return comparable && order == 0;
    if (how == "ne") return comparable && order != 0;
    if (how == "neu") return !comparable || order != 0;
    if (how == "lt" || how == "lo") return comparable && order < 0;
    if (how == "le" || how == "ls") return comparable && order <= 0;
    if (how == "gt" || how == "hi") return comparable && order > 0;
    if (how == "ge" || how == "hs") return comparable && order >= 0;
    throw Failure("a comparison that is not modelled: " + how);
}
Act setp(const Instruction &i, u32 w, bool s, bool is_float) {
    if (i.parts.size() != 3) return nullptr;
    std::string how = i.parts[1];
    compare(how, 0, true);
    if (is_float)
        return act<2>(i, 32, false, 1, [=](u64 *v) {
            float a = to_float(v[0]), b = to_float(v[1]);
            return (u64)compare(how, a < b ? -1 : a > b, a == a && b == b);
        });
    return act<2>(i, w, s, 1, [=](u64 *v) {
        int order = s ? ((i64)v[0] < (i64)v[1] ? -1 : v[0] != v[1]) : (v[0] < v[1] ? -1 : v[0] != v[1]);
        return (u64)compare(how, order, true);
    });
}
/* Only the chosen operand has to be defined. */
Act select(const Instruction &i, u32 w) {
    std::vector<Operand> o = i.operands;
    return [=](Thread &t) {
        bool known = true;
        u64 which = t.get(o[3], known), value = t.get(which ? o[1] : o[2], known);
        t.set(o[0], low_bits(value, w), known);
        return Step::NEXT;
    };
}
Act convert(const Instruction &i) {
    const std::string &to = i.parts[i.parts.size() - 2], &from = i.parts.back();
    u32 from_bits = bits_of_type(from), to_bits = bits_of_type(to);
    bool is_signed = from[0] == 's';
    if (from[0] == 'f' || i.has("sat")) return nullptr;
    if (to == "f32") {
        if (!i.has("rn") || from_bits > 32) return nullptr;
        return act<1>(i, from_bits, is_signed, 32,
                      [=](u64 *v) { return of_float(is_signed ? (float)(i64)v[0] : (float)v[0]); });
    }
    return act<1>(i, from_bits, is_signed, to_bits, [](u64 *v) { return v[0]; });
}
Act move(const Instruction &i, u32 w) {
    std::vector<Operand> o = i.operands;
    if (o[0].kind == Operand::VECTOR) {
        u32 each = w / (u32)o[0].parts.size();
        return [=](Thread &t) {
            bool known = true;
            u64 value = t.get(o[1], known);
            for (u32 j = 0; j < o[0].parts.size(); ++j)
                t.set(o[0].parts[j], low_bits(value >> (j * each), each), known);
            return Step::NEXT;
        };
    }
    if (o[1].kind == Operand::VECTOR) {
        u32 each = w / (u32)o[1].parts.size();
        return [=](Thread &t) {
            bool known = true;
            u64 value = 0;
            for (u32 j = 0; j < o[1].parts.size(); ++j)
                value |= low_bits(t.get(o[1].parts[j], known), each) << (j * each);
            t.set(o[0], value, known);
            return Step::NEXT;
        };
    }
    return act<1>(i, w, false, w, [](u64 *v) { return v[0]; });
}
} // namespace

bool build_scalar(Instruction &i) {
    const std::string &name = i.parts[0], &type = i.parts.back();
    u32 w = bits_of_type(type);
    bool s = w && type[0] == 's', f = w && type[0] == 'f';
    if (name == "bra") {
        u32 target = i.operands[0].index;
        i.alone = [=](Thread &t) {
            t.pc = target;
            return Step::JUMPED;
        };
    } else if (name == "trap")
        i.alone = [](Thread &) -> Step { throw Failure("a trap"); };
    else if (name == "ret" || name == "exit")
        i.alone = [](Thread &) { return Step::DONE; };
    else if (name == "setp" && w)
        i.alone = setp(i, w, s, f);
    else if (name == "selp" && w)
        i.alone = select(i, w);
    else if (name == "cvt" && w)
        i.alone = convert(i);
    else if (name == "mov" && w)
        i.alone = move(i, w);
    else if (name == "cvta") {
        bool shared = i.has("shared"), to = i.has("to");
        i.alone = act<1>(i, 64, false, 64, [=](u64 *v) {
            return !shared ? v[0] : to ? v[0] - SHARED_WINDOW : v[0] + SHARED_WINDOW;
        });
    } else if (f && w == 32)
        i.alone = float_act(i);
    else if (w && !f)
        i.alone = whole_act(i, w, s);
    return (bool)i.alone;
}
} // namespace ptx
