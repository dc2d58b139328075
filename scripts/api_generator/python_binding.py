"""bindings/python/generated: arguments of Python callables as structs of options; results as classes."""

from .description import SCALARS, cpp_head, wrap

FOLDER = "bindings/python/generated"

# Type of an option: annotation, C++ parameter, default in the stub, default in C++.
SIMPLE = {
    "text": ("str", "const std::string&", '""', '""'),
    "tee": ("Tee | str", "const py::object&", None, None),
    "enum": ("str", "const std::string&", None, None),
    "bytes": ("bytes", "const py::bytes&", 'b""', "py::bytes()"),
    "id16": ("bytes", "const py::bytes&", 'b""', "py::bytes()"),
    "secret": ("bytes", "const py::bytes&", 'b""', "py::bytes()"),
    "optional_secret": ("bytes | None", "const std::optional<py::bytes>&", "None", "py::none()"),
    "optional_i64": ("int | None", "const std::optional<int64_t>&", "None", "py::none()"),
    "u32s": ("Sequence[int]", "const std::vector<uint32_t>&", "()", "std::vector<uint32_t>()"),
    "blobs": ("Sequence[bytes]", "const std::vector<py::bytes>&", "()", "std::vector<py::bytes>()"),
    "log": ("_Log | None", "const py::object&", "None", "py::none()"),
    "events": ("_Event | None", "const py::object&", "None", "py::none()"),
    "progress": ("_Progress | None", "const py::object&", "None", "py::none()"),
    "struct": ("{} | None", "const std::optional<Python{}>&", "None", "py::none()"),
    "custom": ("{} | None", "const {}&", "None", "py::none()"),
}
# Their values go to the caller of the generated function, which knows what to do with them.
EXTRA = ("progress", "struct")


class Argument:
    """One argument of a Python callable."""

    def __init__(self, option, struct):
        self.option, self.struct, self.name = option, struct, option.python_name or option.name
        self.extra = option.type in EXTRA or option.type == "custom" and not option.cpp
        kind = option.type
        if kind in SCALARS:
            self.annotation, self.parameter = SCALARS[kind][2], SCALARS[kind][1]
            self.default = self.cpp_default = str(option.default)
            if kind == "bool":
                self.cpp_default = str(option.default).lower()
            elif kind == "u64" and option.default and option.default > 255:
                self.default = self.cpp_default = hex(option.default)
        elif kind == "path":
            optional = option.default is None and not option.required
            self.annotation = "_Path | None" if optional else "_Path"
            self.parameter = "const std::optional<Path>&" if optional else "const Path&"
            self.default, self.cpp_default = ("None", "py::none()") if optional else (None, None)
        elif kind == "texts":
            none = option.python_optional
            self.annotation = "Sequence[str] | None" if none else "Sequence[str]"
            self.parameter = f"const std::{'optional<std::vector<std::string>>' if none else 'vector<std::string>'}&"
            self.default, self.cpp_default = ("None", "py::none()") if none else ("()", "std::vector<std::string>()")
        elif kind == "list" or option.python_default:
            self.annotation, self.parameter = option.python_type, f"const {option.python_cpp}&"
            self.default = option.python_default or "()"
            self.cpp_default = option.python_cpp_default or f"{option.python_cpp}()"
        else:
            self.annotation, self.parameter, self.default, self.cpp_default = SIMPLE[kind]
            self.annotation = self.annotation.format(option.python_type)
            self.parameter = self.parameter.format(option.python_cpp or option.python_type)
        if isinstance(option.default, str) and option.default:
            self.default = self.cpp_default = f'"{option.default}"'
            self.cpp_default = option.python_cpp_default or self.cpp_default
        if option.required:
            self.default = self.cpp_default = None

    def doc(self, description):
        choices = ""
        if self.option.type == "enum":
            names = [name.replace("_", "-") for name, *_ in description.enums[self.option.enum].values]
            choices = 'One of "' + '", "'.join(names) + '".'
        return self.option.sentences(self.option.python_doc, choices, default=bool(self.option.absent))


def arguments(callable_, description):
    """Positional arguments, then those by keyword."""
    found = [Argument(option, description.options[name]) for name in callable_.options
             for option in description.options[name].members.values()
             if option.type != "flags" and not (option.type == "custom" and not option.python_type)]
    found = [a for a in found if (not callable_.only or a.name in callable_.only) and a.name not in (callable_.omit or [])]
    positional = callable_.positional or []
    return ([next(a for a in found if a.name == name) for name in positional],
            [a for a in found if a.name not in positional])


def docstring(callable_, description):
    first, rest = arguments(callable_, description)
    lines = wrap(callable_.doc, 88)
    if first or rest:
        lines.append("")
    for argument in [*first, *rest]:
        lines += wrap(f"{argument.name}: {argument.doc(description)}", 88, "", "    ")
    return "\n".join(lines)


def template(callable_, description):
    first, rest = arguments(callable_, description)
    every = first + rest
    before = [text.split("|") for text in callable_.first or []]
    parameters = [b[1].strip() for b in before] + [f"{a.parameter} {a.name}" for a in every]
    body = []
    for name in callable_.options:
        struct = description.options[name]
        variable = name if len(callable_.options) > 1 else "options"
        body.append(f"        {struct.cpp} {variable};")
        body += [f'        assign({a.name}, "{a.name}", {variable}.{a.option.cpp or a.option.name});'
                 for a in every if a.struct is struct and not a.extra]
    structs = callable_.options if len(callable_.options) > 1 else ["options"]
    passed = [f"std::move({name})" for name in structs] + [b[1].split()[-1].lstrip("&") for b in before] + [
        a.name for a in every if a.extra]
    body.append(f"        return work({', '.join(passed)});")
    names = [f'py::arg("{b[0].split(":")[0].strip()}")' for b in before]
    names += [f'py::arg("{a.name}")' + (f" = {a.cpp_default}" if a.cpp_default else "") for a in first]
    names += ["py::kw_only()"] if rest else []
    names += [f'py::arg("{a.name}")' + (f" = {a.cpp_default}" if a.cpp_default else "") for a in rest]
    joined = ",\n         ".join(parameters)
    return f"""\
template <typename Define, typename Work>
void with_arguments_of_{callable_.name}(Define&& define, Work work) {{
  define(
      [work]({joined}) {{
{chr(10).join(body)}
      }},
      {(","+chr(10)+"      ").join(names)},
      R"doc({docstring(callable_, description)})doc");
}}
"""


def member_line(member, cpp):
    value = f"self.{member.cpp or member.name}"
    doc = f'R"doc({member.sentences()})doc"'
    special = {"bytes": f"to_bytes({value})", "text_bytes": f"to_bytes({value})", "secret": f"to_bytes({value}.bytes())",
               "blobs": f"to_list({value})", "enum_text": f"std::string(to_string({value}))"}
    if member.method:
        return f'type.def_property_readonly("{member.name}", &{cpp}::{member.name}, {doc});'
    if member.type in special:
        return (f'type.def_property_readonly("{member.name}", [](const {cpp}& self) {{ return {special[member.type]}; }}, '
                f"{doc});")
    return f'type.def_readonly("{member.name}", &{cpp}::{member.cpp or member.name}, {doc});'


def class_function(result):
    members = [member for member in result.members.values() if member.python is not False]
    rows = "\n".join(f"  {member_line(member, result.cpp)}" for member in members)
    state = [member for member in result.members.values() if not member.method and not (member.cpp or "").endswith("()")]
    pointers = "".join(f",\n            &{result.cpp}::{member.cpp or member.name}" for member in state)
    if any(member.cpp == "describe()" for member in result.members.values()):
        rows += f'\n  type.def("__str__", &{result.cpp}::describe, "Kind, code, stage and detail in one line.");'
    return f"""\
void add_{result.name}(py::module_& module) {{
  py::class_<{result.cpp}> type(module, "{result.cpp}", R"doc({result.doc.strip()})doc");
{rows}
  add_to_dict(type);
  add_state(type{pointers});
}}
"""


def enum_function(enum):
    rows = "\n".join(f'      .value("{name}", {enum.cpp}::{name}, R"doc({doc})doc")' for name, _, doc, *_ in enum.values)
    return f"""\
void add_{enum.name}(py::module_& module) {{
  py::enum_<{enum.cpp}> type(module, "{enum.cpp}", R"doc({enum.doc.strip()} Equal to its number too.)doc");
  type
{rows};
  equal_to_number(type);
}}
"""


def results(description):
    enums = [enum for enum in description.enums.values() if enum.python is not False]
    classes = [result for result in description.results.values() if result.python is not False]
    functions = "\n".join([*map(enum_function, enums), *map(class_function, classes)])
    calls = "\n".join(f"  add_{item.name}(module);" for item in [*enums, *classes])
    return cpp_head("Enumerations and results as Python classes.") + f"""\
#include "bartizan/attest.hpp"
#include "bartizan/image.hpp"
#include "bartizan/machine.hpp"
#include "python/convert.hpp"

namespace bartizan::python {{

namespace {{

{functions}
}}  // namespace

void bind_results(py::module_& module) {{
{calls}
}}

}}  // namespace bartizan::python
"""


def options(description):
    callables = [callable_ for noun in description.nouns for callable_ in noun.python]
    templates = "\n".join(template(callable_, description) for callable_ in callables)
    return cpp_head("Arguments of Python callables as structs of options of the C++ API.") + f"""\
//
// with_arguments_of_NAME(define, work) calls define(function, arguments..., documentation): `define` binds them to a
// name. The function fills the options and returns work(options, ...), with arguments that are not members of them.
#pragma once

#include "bartizan/attest.hpp"
#include "bartizan/broker.hpp"
#include "bartizan/image.hpp"
#include "bartizan/machine.hpp"
#include "python/assign.hpp"

namespace bartizan::python {{

{templates}
}}  // namespace bartizan::python
"""


def files(description):
    yield f"{FOLDER}/.clang-format", "DisableFormat: true\n"
    yield f"{FOLDER}/options.hpp", options(description)
    yield f"{FOLDER}/results.cpp", results(description)
