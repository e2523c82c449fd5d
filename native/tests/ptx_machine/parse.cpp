/* parse.cpp: PTX text to instructions. Only the statements that a compiler writes; anything else is an error. */
#include "program.hpp"

#include <algorithm>
#include <cctype>
#include <cstring>

namespace ptx {
namespace {
bool is_name(char c) {
    return isalnum((unsigned char)c) || c == '_' || c == '$' || c == '%' || c == '.';
}
std::string trimmed(const std::string &s) {
    size_t first = s.find_first_not_of(" \t\n\r"), last = s.find_last_not_of(" \t\n\r");
    return first == std::string::npos ? "" : s.substr(first, last - first + 1);
}
std::string without_comments(const std::string &text) {
    std::string out;
    for (size_t i = 0; i < text.size(); ++i) {
        if (text.compare(i, 2, "//") == 0)
            while (i < text.size() && text[i] != '\n') ++i;
        if (i < text.size()) out += text[i];
    }
    return out;
}
/* At commas that are not inside brackets. */
std::vector<std::string> split(const std::string &s) {
    std::vector<std::string> parts;
    int depth = 0;
    std::string part;
    for (char c : s) {
        depth += (c == '{' || c == '[') - (c == '}' || c == ']');
        if (c == ',' && !depth)
            parts.push_back(trimmed(part)), part.clear();
        else
            part += c;
    }
    if (!trimmed(part).empty()) parts.push_back(trimmed(part));
    return parts;
}

const std::map<std::string, u32> SPECIALS = {{"%tid.x", TID_X},
                                             {"%tid.y", TID_Y},
                                             {"%tid.z", TID_Z},
                                             {"%ntid.x", NTID_X},
                                             {"%ntid.y", NTID_Y},
                                             {"%ntid.z", NTID_Z},
                                             {"%ctaid.x", CTAID_X},
                                             {"%ctaid.y", CTAID_Y},
                                             {"%ctaid.z", CTAID_Z},
                                             {"%nctaid.x", NCTAID_X},
                                             {"%nctaid.y", NCTAID_Y},
                                             {"%nctaid.z", NCTAID_Z},
                                             {"%cluster_ctarank", CLUSTER_RANK},
                                             {"%laneid", LANE}};

struct Body {
    Entry &entry;
    const std::map<std::string, u32> &parameters;
    std::vector<u32> scopes = {0};
    u32 scope_count = 0;
    std::map<std::string, u32> registers, labels; /* by scope and name */
    std::vector<std::vector<u32>> scopes_of;      /* of each instruction */
    std::map<std::string, bool> declared;

    Body(Entry &e, const std::map<std::string, u32> &p) : entry(e), parameters(p) {}
    static std::string key(u32 scope, const std::string &name) { return std::to_string(scope) + " " + name; }
    u32 intern(const std::string &full, const std::string &name) {
        auto found = registers.find(full);
        if (found != registers.end()) return found->second;
        entry.register_names.push_back(name);
        return registers[full] = entry.registers++;
    }
    Operand operand(std::string s) {
        Operand o;
        s = trimmed(s);
        if (s[0] == '!') throw Failure("a negated operand is not modelled: " + s);
        if (s[0] == '[') {
            std::vector<std::string> inside = split(s.substr(1, s.size() - 2));
            size_t plus = inside[0].find('+');
            o = operand(inside[0].substr(0, plus));
            o.address = true;
            if (o.kind == Operand::NUMBER) throw Failure("an absolute address is not modelled: " + s);
            if (plus != std::string::npos) o.number += (u64)std::stoll(trimmed(inside[0].substr(plus + 1)));
            if (inside.size() > 1) o.parts = {operand(inside[1])}; /* coordinates of a tensor */
            return o;
        }
        if (s[0] == '{') {
            o.kind = Operand::VECTOR;
            for (auto &part : split(s.substr(1, s.size() - 2))) o.parts.push_back(operand(part));
            return o;
        }
        size_t bar = s.find('|');
        if (bar != std::string::npos) {
            o.kind = Operand::VECTOR;
            o.parts = {operand(s.substr(0, bar)), operand(s.substr(bar + 1))};
            return o;
        }
        o.name = s;
        if (s == "_") return o;
        if (SPECIALS.count(s)) return o.kind = Operand::SPECIAL, o.index = SPECIALS.at(s), o;
        if (parameters.count(s)) return o.kind = Operand::PARAMETER, o.index = parameters.at(s), o;
        if (s.compare(0, 13, "__local_depot") == 0) return o.kind = Operand::LOCAL, o;
        for (size_t i = scopes.size(); i-- > 0;)
            if (declared.count(key(scopes[i], s)))
                return o.kind = Operand::REGISTER, o.index = intern(key(scopes[i], s), s), o;
        if (s[0] == '%') {
            std::string prefix = s;
            while (isdigit((unsigned char)prefix.back())) prefix.pop_back();
            if (!declared.count(key(0, prefix + "<"))) throw Failure("register " + s + " is not declared");
            return o.kind = Operand::REGISTER, o.index = intern(s, s), o;
        }
        if (s == "memory") return o.kind = Operand::SHARED, o;
        if (isdigit((unsigned char)s[0]) || s[0] == '-') {
            o.kind = Operand::NUMBER;
            if (s.compare(0, 2, "0f") == 0 || s.compare(0, 2, "0F") == 0)
                o.number = std::stoull(s.substr(2), nullptr, 16);
            else
                o.number = s[0] == '-' ? (u64)std::stoll(s, nullptr, 0) : std::stoull(s, nullptr, 0);
            return o;
        }
        return o.kind = Operand::LABEL, o;
    }
    void instruction(std::string s) {
        Instruction made;
        made.text = s;
        std::replace(made.text.begin(), made.text.end(), '\n', ' ');
        if (s[0] == '@') {
            size_t space = s.find_first_of(" \t");
            made.negated = s[1] == '!';
            Operand guard = operand(s.substr(made.negated ? 2 : 1, space - (made.negated ? 2 : 1)));
            made.guard = (int)guard.index, s = trimmed(s.substr(space));
        }
        size_t end = s.find_first_of(" \t\n");
        made.opcode = s.substr(0, end);
        for (size_t i = 0, dot; i < made.opcode.size(); i = dot + 1) {
            dot = std::min(made.opcode.find('.', i), made.opcode.size());
            made.parts.push_back(made.opcode.substr(i, dot - i));
        }
        if (end != std::string::npos)
            for (auto &part : split(s.substr(end))) made.operands.push_back(operand(part));
        entry.code.push_back(made);
        scopes_of.push_back(scopes);
    }
    void directive(const std::string &s) {
        if (s.compare(0, 4, ".reg") == 0) {
            size_t space = s.find_last_of(" \t");
            std::string name = trimmed(s.substr(space));
            size_t angle = name.find('<');
            declared[key(scopes.back(), angle == std::string::npos ? name : name.substr(0, angle) + "<")] = true;
        } else if (s.compare(0, 6, ".local") == 0)
            entry.local_bytes += (u32)std::stoul(s.substr(s.find('[') + 1));
        else if (s.compare(0, 7, ".pragma") != 0)
            throw Failure("a directive that is not modelled: " + s);
    }
    void statements(const std::string &text) {
        for (size_t i = 0; i < text.size();) {
            if (isspace((unsigned char)text[i]) || text[i] == ';')
                ++i;
            else if (text[i] == '{')
                scopes.push_back(++scope_count), ++i;
            else if (text[i] == '}')
                scopes.pop_back(), ++i;
            else {
                size_t end = i;
                while (end < text.size() && is_name(text[end])) ++end;
                if (end < text.size() && text[end] == ':' && text[end + 1] != ':') {
                    labels[key(scopes.back(), text.substr(i, end - i))] = (u32)entry.code.size();
                    i = end + 1;
                    continue;
                }
                end = text.find(';', i);
                std::string s = trimmed(text.substr(i, end - i));
                s[0] == '.' ? directive(s) : instruction(s);
                i = end + 1;
            }
        }
    }
    void finish() {
        for (size_t i = 0; i < entry.code.size(); ++i) {
            Instruction &made = entry.code[i];
            for (auto &o : made.operands) {
                if (o.kind != Operand::LABEL) continue;
                bool known = false;
                for (size_t j = scopes_of[i].size(); j-- > 0 && !known;) {
                    auto found = labels.find(key(scopes_of[i][j], o.name));
                    known = found != labels.end();
                    if (known) o.index = found->second;
                }
                if (!known) throw Failure("no label " + o.name + " in reach of: " + made.text);
            }
            if (!build_scalar(made) && !build_memory(made) && !build_warp(made) && !build_hopper(made))
                throw Failure("an instruction that is not modelled: " + made.text);
        }
    }
};

void parse_entry(Module &module, const std::string &text, size_t at, size_t body, size_t end) {
    size_t open = text.find('(', at), close = text.find(')', open);
    Entry &entry = module.entries[trimmed(text.substr(at + 7, open - at - 7))];
    entry.name = trimmed(text.substr(at + 7, open - at - 7));
    std::map<std::string, u32> offsets;
    for (auto &declared : split(text.substr(open + 1, close - open - 1))) {
        u32 align = 0, size = 0, count = 1;
        char type[16];
        size_t name = declared.find_last_of(" \t") + 1, bracket = declared.find('[', name);
        const char *s = declared.c_str();
        if (sscanf(s, ".param .align %u .%15s", &align, type) != 2) sscanf(s, ".param .%15s", type);
        size = bits_of_type(type) / 8;
        if (bracket != std::string::npos) count = (u32)std::stoul(declared.substr(bracket + 1));
        if (!align) align = size;
        u32 offset = (entry.parameter_bytes + align - 1) / align * align;
        entry.parameters.push_back({offset, size * count});
        entry.parameter_bytes = offset + size * count;
        offsets[declared.substr(name, bracket == std::string::npos ? bracket : bracket - name)] = offset;
    }
    std::string head = text.substr(close, body - close);
    size_t most = head.find(".maxntid");
    if (most != std::string::npos)
        sscanf(head.c_str() + most, ".maxntid %u, %u, %u", &entry.most_threads[0], &entry.most_threads[1],
               &entry.most_threads[2]);
    Body made(entry, offsets);
    made.statements(text.substr(body + 1, end - body - 1));
    made.finish();
}
} // namespace

u32 bits_of_type(const std::string &type) {
    if (type == "pred") return 1;
    if (type.size() < 2 || !strchr("busf", type[0]) || type.find_first_not_of("0123456789", 1) != std::string::npos)
        return 0;
    return (u32)std::stoul(type.substr(1));
}

Module parse(const std::string &source) {
    Module module;
    std::string text = without_comments(source);
    size_t target = text.find(".target sm_");
    if (target == std::string::npos) throw Failure("no .target in the module");
    module.target = (u32)std::stoul(text.substr(target + 11));
    for (size_t at = text.find(".entry"); at != std::string::npos;) {
        size_t body = text.find('{', at), end = body;
        for (int depth = 0; end < text.size(); ++end) {
            depth += (text[end] == '{') - (text[end] == '}');
            if (!depth) break;
        }
        parse_entry(module, text, at, body, end);
        at = text.find(".entry", end);
    }
    return module;
}
} // namespace ptx
