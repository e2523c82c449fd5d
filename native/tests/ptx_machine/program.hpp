/* program.hpp: a PTX module as the machine runs it: instructions with their operands, registers by number. */
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace ptx {
typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t i64;

struct Failure : std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct Thread;
struct Warp;

/* What an instruction reads or writes: a register, a number, a register of the machine (%tid.x), the place of a
 * parameter, of shared or of local memory; an address is such a base and a distance; a vector has parts. */
struct Operand {
    enum Kind { NONE, REGISTER, NUMBER, SPECIAL, PARAMETER, SHARED, LOCAL, VECTOR, LABEL } kind = NONE;
    u32 index = 0;  /* register, special, or the parameter's offset */
    u64 number = 0; /* or the distance of an address */
    bool address = false;
    std::string name;
    std::vector<Operand> parts;
};

enum Special {
    TID_X,
    TID_Y,
    TID_Z,
    NTID_X,
    NTID_Y,
    NTID_Z,
    CTAID_X,
    CTAID_Y,
    CTAID_Z,
    NCTAID_X,
    NCTAID_Y,
    NCTAID_Z,
    CLUSTER_RANK,
    LANE
};

enum class Step { NEXT, JUMPED, STAY, DONE };

struct Instruction {
    std::string text, opcode;
    std::vector<std::string> parts; /* of the opcode */
    std::vector<Operand> operands;
    int guard = -1;
    bool negated = false, aligned = false;
    std::function<Step(Thread &)> alone;
    std::function<void(Warp &)> together; /* instead: when all lanes have come */
    bool has(const char *part) const {
        for (auto &p : parts)
            if (p == part) return true;
        return false;
    }
};

struct Parameter {
    u32 offset, size;
};
struct Entry {
    std::string name;
    std::vector<Parameter> parameters;
    u32 parameter_bytes = 0, registers = 0, local_bytes = 0;
    u32 most_threads[3] = {1024, 1, 1};
    std::vector<Instruction> code;
    std::vector<std::string> register_names;
};
struct Module {
    u32 target = 0; /* 75, 90, ... */
    std::map<std::string, Entry> entries;
};

Module parse(const std::string &text);

/* Each gives an instruction its meaning, or returns false: not of this file's kind. */
bool build_scalar(Instruction &instruction);
bool build_memory(Instruction &instruction);
bool build_warp(Instruction &instruction);
bool build_hopper(Instruction &instruction);

u32 bits_of_type(const std::string &type); /* 0 for what is no type */
} // namespace ptx
