"""The sections of include/bartizan.h: numbers, structs of options, results in JSON, functions."""

from .description import CALLBACKS, SCALARS, SOURCE, replace_section, version, wrap

WIDTH = 100
HEADER = "include/bartizan.h"


def comment(text, indent=""):
    """A comment of wrapped prose."""
    one = f"{indent}/* {' '.join(text.split())} */"
    if len(one) <= WIDTH:
        return [one]
    lines = wrap(text, WIDTH - 3, f"{indent}/* ", f"{indent} * ")
    return lines[:-1] + [lines[-1] + " */"] if len(lines[-1]) <= WIDTH - 3 else lines + [f"{indent} */"]


def enum_lines(enum):
    lines = comment(f"{enum.doc.strip()} The numbers are frozen.")
    for name, number, doc, *c_name in enum.values:
        macro = f"{enum.c}_{c_name[0] if c_name else name.upper()}"
        short = f"#define {macro} {number} /* {doc} */"
        lines += [short] if len(short) <= WIDTH else [*comment(doc), f"#define {macro} {number}"]
    return lines + [""]


def flag_lines(struct):
    lines = []
    for member in struct.members.values():
        if member.type != "flags":
            continue
        bits = [bit for bit in member.bit if bit.get("value")]
        if bits:
            lines += comment(member.intro or f"Bits of {struct.c}.{member.member or 'flags'}.")
        for bit in bits:
            lines += [*comment(bit["doc"]), f"#define {bit['name']} {bit['value']}u"]
        lines += [""] if bits else []
    return lines


def c_members(member):
    """The declarations of one option in C."""
    kind, name = member.type, member.name
    if member.c is not None:
        return member.c
    if kind in SCALARS:
        return [f"{SCALARS[kind][0]} {name}"] if SCALARS[kind][0] else []
    simple = {"text": "const char* {}", "path": "const char* {}", "tee": "int32_t {}", "enum": "int32_t {}",
              "bytes": "bartizan_blob {}", "id16": "bartizan_blob {}", "secret": "bartizan_blob {}",
              "optional_secret": "bartizan_blob {}", "optional_i64": "int64_t {}"}
    if kind in simple:
        return [simple[kind].format(name)]
    if kind == "flags":
        return [f"uint32_t {member.member or 'flags'}"]
    if kind in CALLBACKS:
        return [f"bartizan_{CALLBACKS[kind]}_fn {name}", f"void* {name}_user"]
    if kind == "struct":
        return [f"const {member.element}* {name}"]
    element = {"texts": "const char* const*", "u32s": "const uint32_t*", "blobs": "const bartizan_blob*"}.get(
        kind, f"const {member.element}*")
    return [f"{element} {name}", f"size_t {member.count}"]


def c_doc(member, description):
    if member.type == "flags":
        names = [bit["name"] for bit in member.bit]
        return f"Any of {', '.join(names)}." if len(names) > 1 else f"{names[0]} or 0."
    if member.type == "enum":
        enum = description.enums[member.enum]
        return f"{member.doc.strip()} One of {enum.c}_*."
    if member.type == "tee" and member.c_doc:
        return f"{member.doc.strip()} One of BARTIZAN_TEE_*. {member.c_doc}"
    return member.sentences(member.c_doc)


def struct_lines(struct, description):
    lines = [*comment(struct.doc), f"typedef struct {struct.c} {{", "  size_t struct_size; /* set by BARTIZAN_OPTIONS_INIT */"]
    for member in struct.members.values():
        declarations = c_members(member)
        if declarations:
            text = c_doc(member, description).replace("default_bundle_path()", "bartizan_bundle_default_path")
            lines += ["", *comment(text, "  "), *(f"  {declaration};" for declaration in declarations)]
    return [*lines, f"}} {struct.c};", ""]


JSON_TYPES = {"text": "string", "path": "string", "tee": "string", "tees": "array of strings",
              "enum": "string", "enum_text": "string",
              "bytes": "hex", "text_bytes": "string", "bool": "bool", "double": "number", "blobs": "array of hex",
              "counts": "object of numbers"}


def result_lines(result, description):
    members = [member for member in result.members.values() if member.type != "secret"]

    def type_of(member):
        if member.type == "list":
            return f"array of {description.results[member.element].cpp}"
        if member.type == "optional":
            return f"{description.results[member.element].cpp} or null"
        return JSON_TYPES.get(member.type, "number")

    width = max(len(member.name) for member in members)
    lines = wrap(f"JSON object {result.cpp}: {result.doc}", WIDTH, "/* ", " * ") + [" *"]
    for member in members:
        text = f"{type_of(member)}. {member.sentences()}"
        lines += wrap(text, WIDTH, f" *   {member.name:{width}}  ", f" *   {'':{width}}  ")
    return lines + [" */", ""]


def parameters(function):
    """(type, name, doc) of each parameter."""
    for text in function.params:
        declaration, _, doc = text.partition("|")
        kind, name = declaration.strip().rsplit(" ", 1)
        yield kind, name, doc.strip()


def failure_lines(function, params):
    """Which errors there are, and what the outputs hold then."""
    outputs = [name for kind, name, _ in params if kind.endswith("*") and not kind.startswith("const")
               and kind.count("*") == (2 if kind.startswith("bartizan_") else 1)]
    lines = wrap(f"Errors: {'; '.join(function.errors) or 'only those of the contract above'}.", WIDTH, " * ")
    failure = function.failure or (f"{' and '.join('*' + name for name in outputs)} unchanged." if outputs else "")
    return lines + (wrap(f"On failure: {failure}", WIDTH, " * ") if failure else [])


# How a function is declared, by the library that has it.
MARKS = {"bartizan": "BARTIZAN_API", "bartizan_tools": "BARTIZAN_TOOLS_API"}


def where(function):
    return "" if function.library == "bartizan" else f"In lib{function.library}."


def function_lines(function):
    fails = function.returns is None
    params = list(parameters(function))
    declared = [f"{kind} {name}" for kind, name, _ in params] + (["bartizan_error** err"] if fails else [])
    blocking = f"Blocks {function.blocks}" if function.blocks else "Does not block"
    behaviour = f"{blocking}; {function.threads if function.threads != 'any' else 'any thread'}. {where(function)}".strip()
    described = [(name, doc) for _, name, doc in params if doc]
    if not described and not fails:
        lines = comment(f"{function.doc.strip()} {behaviour}")
    else:
        lines = wrap(function.doc, WIDTH, "/* ", " * ") + [" *"]
        width = max((len(name) for name, _ in described), default=0)
        for name, doc in described:
            lines += wrap(doc, WIDTH, f" *   {name:{width}}  ", f" *   {'':{width}}  ")
        lines += [" *"] if described else []
        lines += wrap(behaviour, WIDTH, " * ")
        lines += failure_lines(function, params) if fails else []
        lines += [" */"]
    head = f"{MARKS[function.library]} {function.returns or 'int32_t'} {function.name}("
    one = head + (", ".join(declared) or "void") + ");"
    if len(one) <= WIDTH:
        return [*lines, one, ""]
    return [*lines, head, *wrap(", ".join(declared) + ");", WIDTH, "    "), ""]


def section(noun, description):
    lines = ["/* clang-format off */", *comment(f"==== {noun.title}. {noun.intro}".strip()), ""]
    if noun.example:
        lines += ["/* Example:", " *", *(f" *   {line}".rstrip() for line in noun.example.splitlines()), " */", ""]
    for enum in noun.enums:
        lines += enum_lines(enum)
    for struct in noun.options:
        lines += flag_lines(struct)
        lines += struct_lines(struct, description)
    for result in noun.results:
        lines += result_lines(result, description)
    for function in noun.functions:
        lines += function_lines(function)
    return "\n".join([*lines, "/* clang-format on */"])


def version_section():
    names = ("MAJOR", "MINOR", "PATCH")
    return "\n".join(f"#define BARTIZAN_VERSION_{name} {number}" for name, number in zip(names, version()))


def files(description):
    text = (SOURCE / HEADER).read_text()
    text = replace_section(text, "version", version_section())
    for noun in description.nouns:
        text = replace_section(text, f"api/{noun.name}.toml", section(noun, description))
    yield HEADER, text
