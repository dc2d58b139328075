"""The description in api/*.toml as objects, and what all generators need: paths, wrapping, marks."""

import pathlib
import re
import textwrap
import tomllib

SOURCE = pathlib.Path(__file__).resolve().parents[2]
# The order of the sections of bartizan.h.
NOUNS = ["base", "tee", "bundle", "image", "attest", "broker", "machine"]

# Scalar types: C, C++, Python.
SCALARS = {
    "u16": ("uint16_t", "uint16_t", "int"),
    "u32": ("uint32_t", "uint32_t", "int"),
    "i32": ("int32_t", "int32_t", "int"),
    "u64": ("uint64_t", "uint64_t", "int"),
    "i64": ("int64_t", "int64_t", "int"),
    "fd": ("int32_t", "int", "int"),
    "double": ("double", "double", "float"),
    "bool": (None, "bool", "bool"),
}
# Types that are a function and its first argument, and the word for them in names of C.
CALLBACKS = {"log": "log", "progress": "progress", "events": "event"}
OPTION_TYPES = {*SCALARS, "text", "path", "tee", "enum", "bytes", "id16", "secret", "optional_secret", "optional_i64",
                "texts", "u32s", "blobs", "list", "struct", *CALLBACKS, "flags", "custom"}
RESULT_TYPES = {*SCALARS, "text", "path", "tee", "enum", "enum_text", "bytes", "text_bytes", "secret", "blobs", "list",
                "tees", "optional", "counts"}


class Item:
    """A table of the description; a missing key is None."""

    def __init__(self, name, values):
        self.name = name
        self.__dict__.update({key: value for key, value in values.items() if not isinstance(value, dict)})
        self.members = {key: Item(key, value) for key, value in values.items() if isinstance(value, dict)}

    def __getattr__(self, key):
        if key.startswith("__"):
            raise AttributeError(key)
        return None

    @property
    def required_note(self):
        return "Required." if self.required else ""

    def default_text(self):
        """The default as a sentence, or ""."""
        if self.absent:
            return f"Default: {self.absent}."
        if self.default is None or self.default == "" or self.required:
            return ""
        if isinstance(self.default, str):
            return f'Default: "{self.default}".'
        if self.type == "bool":
            return f"Default: {str(self.default).lower()}."
        value = hex(self.default) if self.type == "u64" and self.default > 255 else self.default
        return f"Default: {value}."

    def sentences(self, *more, default=True):
        unit = f"Unit: {self.unit}." if self.unit and not self.unit[0].isdigit() else f"{self.unit}." if self.unit else ""
        parts = [self.doc or "", *more, unit, self.required_note, self.default_text() if default else ""]
        return " ".join(part.strip() for part in parts if part and part.strip())


class Noun:
    def __init__(self, name):
        table = tomllib.loads((SOURCE / "api" / f"{name}.toml").read_text())
        self.name, self.title = name, table["title"]
        library = table.get("library", "bartizan")
        self.intro, self.example = table.get("intro", "").strip(), table.get("example", "").strip("\n")
        for kind in ("enums", "options", "results", "functions", "python"):
            setattr(self, kind, [Item(key, value) for key, value in table.get(kind, {}).items()])
        for function in self.functions:
            function.library = function.library or library


class Description:
    def __init__(self):
        self.nouns = [Noun(name) for name in NOUNS]
        self.enums = {enum.name: enum for noun in self.nouns for enum in noun.enums}
        self.options = {struct.name: struct for noun in self.nouns for struct in noun.options}
        self.results = {result.name: result for noun in self.nouns for result in noun.results}
        self._check()

    def _check(self):
        for kind, known in (("options", OPTION_TYPES), ("results", RESULT_TYPES)):
            for struct in getattr(self, kind).values():
                for member in struct.members.values():
                    if member.type not in known:
                        raise SystemExit(f"api: {struct.name}.{member.name}: unknown type {member.type!r}")
                    if not member.doc and member.type != "flags":
                        raise SystemExit(f"api: {struct.name}.{member.name}: no doc")


def version():
    return re.search(r"^project\(.*VERSION (\d+)\.(\d+)\.(\d+)", (SOURCE / "CMakeLists.txt").read_text(), re.M).groups()


def wrap(text, width, first="", rest=None):
    """Wrapped lines; `first` starts the first line, `rest` the others."""
    return textwrap.wrap(" ".join(text.split()), width, initial_indent=first, subsequent_indent=first if rest is None else rest,
                         break_long_words=False, break_on_hyphens=False)


def replace_section(text, name, body, comment=("/* ", " */")):
    """The text with the lines between the marks of `name` replaced by `body`, which gets the mark's indentation."""
    begin, end = comment
    pattern = re.compile(rf"^([ ]*){re.escape(begin)}generated: {re.escape(name)}{re.escape(end)}\n(.*?)"
                         rf"^[ ]*{re.escape(begin)}end of generated: {re.escape(name)}{re.escape(end)}\n", re.M | re.S)
    found = pattern.search(text)
    if not found:
        raise SystemExit(f"no section \"generated: {name}\"")
    indent = found.group(1)
    lines = [f"{begin}generated: {name}{end}", *body.splitlines(), f"{begin}end of generated: {name}{end}"]
    new = "".join((indent + line).rstrip() + "\n" for line in lines)
    return text[:found.start()] + new + text[found.end():]


def fit(line, width=100):
    """A line of C++, broken after commas and before operators where it is too long."""
    if len(line) <= width:
        return line
    indent = " " * (len(line) - len(line.lstrip()) + 4)
    pieces, lines, current = re.split(r"(?<=,) | (?=\\|)", line.lstrip()), [], line[:len(indent) - 4]
    for piece in pieces:
        if current.strip() and len(current) + 1 + len(piece) > width:
            lines.append(current)
            current = indent + piece
        else:
            current += (" " if current.strip() else "") + piece
    return "\n".join([*lines, current])


def cpp_head(content):
    return f"// {content} Made by scripts/make-api\n// from api/*.toml: change those.\n"
