"""bindings/c/generated: structs of options become those of the C++ API; the numbers of both agree."""

from .c_header import c_members
from .description import CALLBACKS, cpp_head, fit

FOLDER = "bindings/c/generated"


def read_lines(struct, description):
    """The statements that fill `to` from `options`."""
    lines = []
    for member in struct.members.values():
        kind, name, to = member.type, member.name, f"to.{member.cpp or member.name}"
        if member.required and member.checked is None and kind != "custom":
            lines.append(f'TRY(require(options.{name}, "{name}"));')
        if kind == "flags":
            field = member.member or "flags"
            known = " | ".join(bit["name"] for bit in member.bit)
            lines.append(f'TRY(check_flags(options.{field}, {known}, "{member.label or field}"));')
            for bit in member.bit:
                if "sets" in bit:
                    lines.append(f"to.{bit['sets']} = (options.{field} & {bit['name']}) != 0;")
                if "clears" in bit:
                    lines.append(f"to.{bit['clears']} = (options.{field} & {bit['name']}) == 0;")
        elif kind in ("bool", "fd", "custom") or not c_members(member):
            continue  # from the flags, or by finish()
        elif kind in ("enum", "tee"):
            enum = description.enums[member.enum or "tee"]
            last = f"{enum.c}_{enum.values[-1][0].upper()}"
            when = f"if (options.{name} != 0) " if member.zero_is_default else ""
            lines.append(f'{when}TRY(assign_enum(options.{name}, {last}, "{name}", "{enum.c}_*", {to}));')
        elif kind in CALLBACKS:
            lines.append(f"{to} = {CALLBACKS[kind]}_sink(options.{name}, options.{name}_user);")
        elif kind == "struct":
            lines.append(f"{to} = TRY(from_c(options.{name}));")
        elif kind in ("texts", "u32s", "blobs", "list"):
            most = f", {member.max}" if member.max else ""
            lines.append(f'TRY(assign_list(options.{name}, options.{member.count}, "{name}", {to}{most}));')
        elif member.empty_counts:
            lines.append(f"if (options.{name}) {to} = options.{name};")
        else:
            lines.append(f'TRY(assign(options.{name}, "{name}", {to}));')
    return lines


def read_function(struct, description):
    lines = [f"Result<{struct.cpp}> from_c(const {struct.c}* from) {{",
             f'  const {struct.c} options = TRY(options_of(from, "{struct.c}"));', f"  {struct.cpp} to;"]
    lines += [fit(f"  {line}") for line in read_lines(struct, description)]
    lines += ["  TRY(finish(options, to));"] if struct.hook else []
    return "\n".join([*lines, "  return to;", "}", ""])


def header(description):
    structs = description.options.values()
    declared = "".join(f"Result<{s.cpp}> from_c(const {s.c}* from);\n" for s in structs)
    hooks = "".join(f"Result<void> finish(const {s.c}& from, {s.cpp}& to);\n" for s in structs if s.hook)
    return cpp_head("Structs of options of bartizan.h as those of the C++ API.") + f"""\
#pragma once

#include "bartizan.h"
#include "bartizan/attest.hpp"
#include "bartizan/broker.hpp"
#include "bartizan/image.hpp"
#include "bartizan/machine.hpp"

namespace bartizan::c {{

// The caller's struct over the defaults. NULL: all defaults.
{declared}
// What the description cannot express, written by hand beside the functions of the noun.
{hooks}
}}  // namespace bartizan::c
"""


def source(noun, description):
    functions = "\n".join(read_function(struct, description) for struct in noun.options)
    return cpp_head("Structs of options of bartizan.h as those of the C++ API.") + f"""\
#include "c/generated/options.hpp"

#include "c/options.hpp"

namespace bartizan::c {{

{functions}
}}  // namespace bartizan::c
"""


def numbers(description):
    lines = [fit(f"SAME({enum.c}_{c_name[0] if c_name else name.upper()}, {enum.cpp}::{name});")
             for enum in description.enums.values() for name, _, _, *c_name in enum.values]
    return cpp_head("The numbers of bartizan.h are those of the C++ API.") + "\n" + "\n".join(lines) + "\n"


def files(description):
    yield f"{FOLDER}/.clang-format", "DisableFormat: true\n"
    yield f"{FOLDER}/options.hpp", header(description)
    for noun in description.nouns:
        if noun.options:
            yield f"{FOLDER}/{noun.name}_options.cpp", source(noun, description)
    yield f"{FOLDER}/numbers.inc", numbers(description)
