"""bindings/common/generated: results as JSON."""

from .description import cpp_head

FOLDER = "bindings/common/generated"


def expression(member):
    value = f"from.{member.cpp or member.name}" + ("()" if member.method else "")
    return {
        "path": f"{value}.string()",
        "bytes": f"to_hex({value})",
        "text_bytes": f"text_of({value})",
        "tee": f"bartizan::to_string({value})",
        "tees": f"names_of({value})",
        "enum_text": f"bartizan::to_string({value})",
        "enum": f"to_string({value})",
        "blobs": f"hex_list({value})",
        "list": f"to_json({value})",
        "optional": f"{value} ? to_json(*{value}) : Json()",
        "counts": f"by_kind({value})",
    }.get(member.type, value)


def function(result):
    rows = ",\n".join(f'              {{"{member.name}", {expression(member)}}}'
                      for member in result.members.values() if member.type != "secret")
    return f"Json to_json(const {result.cpp}& from) {{\n  return Json{{{rows.strip()}}};\n}}\n"


def name_function(enum):
    cases = "".join(f'    case {enum.cpp}::{name}: return "{name}";\n' for name, *_ in enum.values)
    return (f"std::string_view to_string({enum.cpp} value) {{\n  switch (value) {{\n{cases}  }}\n"
            '  return "unknown";\n}\n')


def header(description):
    declared = "".join(f"Json to_json(const {result.cpp}& from);\n" for result in description.results.values())
    return cpp_head("Results as JSON: part of common/json_view.hpp.") + "\n" + declared


def source(noun, description):
    """A file for each noun: a library has the nouns that it links, and no call into others."""
    used = sorted({member.enum for result in noun.results for member in result.members.values() if member.type == "enum"})
    names = "\n".join(name_function(description.enums[name]) for name in used)
    functions = "\n".join(function(result) for result in noun.results)
    return cpp_head("Results as JSON.") + f"""\
#include "common/json_view.hpp"

#include "base/bytes.hpp"

namespace bartizan::view {{

{names + chr(10) if names else ""}{functions}
}}  // namespace bartizan::view
"""


def files(description):
    yield f"{FOLDER}/.clang-format", "DisableFormat: true\n"
    yield f"{FOLDER}/json_view.inc", header(description)
    for noun in description.nouns:
        if noun.results:
            yield f"{FOLDER}/{noun.name}_view.cpp", source(noun, description)
