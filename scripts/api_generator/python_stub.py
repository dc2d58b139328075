"""The generated sections of python/bartizan/_core.pyi, with docstrings."""

from .description import SCALARS, SOURCE, replace_section, wrap
from .python_binding import arguments, docstring

STUB = "python/bartizan/_core.pyi"
WIDTH = 100
RESULT_TYPES = {"text": "str", "path": "Path", "tee": "Tee", "tees": "list[Tee]", "enum_text": "str", "bytes": "bytes", "text_bytes": "bytes",
                "secret": "bytes", "blobs": "list[bytes]"}


def doc_lines(text, indent):
    """A docstring."""
    lines = []
    for paragraph in text.split("\n"):
        inner = indent + " " * (len(paragraph) - len(paragraph.lstrip()))
        lines += wrap(paragraph, WIDTH - 3, inner) or [""]
    lines[0] = f'{indent}"""{lines[0].strip()}'
    if len(lines) == 1 and len(lines[0]) + 3 <= WIDTH:
        return [f'{lines[0]}"""']
    return [*lines, f'{indent}"""']


def enum_lines(enum):
    lines = [f"class {enum.cpp}:", *doc_lines(f"{enum.doc.strip()} Equal to its number too.", "    ")]
    for name, _, doc, *_ in enum.values:
        lines += [f"    {name}: ClassVar[{enum.cpp}]", *doc_lines(doc, "    ")]
    return [*lines, f"    __members__: ClassVar[dict[str, {enum.cpp}]]",
            "    def __init__(self, value: int) -> None: ...", "    def __int__(self) -> int: ...",
            "    def __index__(self) -> int: ...", "    def __eq__(self, other: object) -> bool: ...",
            "    def __hash__(self) -> int: ...",
            "    @property", "    def name(self) -> str:", '        """Its name."""',
            "    @property", "    def value(self) -> int:", '        """Its number."""', ""]


def result_type(member, description):
    if member.type == "list":
        return f"list[{description.results[member.element].cpp}]"
    if member.type == "optional":
        return f"{description.results[member.element].cpp} | None"
    if member.type == "enum":
        return description.enums[member.enum].cpp
    return SCALARS[member.type][2] if member.type in SCALARS else RESULT_TYPES[member.type]


def class_lines(result, description):
    lines = [f"class {result.cpp}:", *doc_lines(result.doc.strip(), "    ")]
    for member in result.members.values():
        if member.python is not False:
            lines += ["    @property", f"    def {member.name}(self) -> {result_type(member, description)}:",
                      *doc_lines(member.sentences(), "        ")]
    return [*lines, "    def __eq__(self, other: object) -> bool: ...", "    def to_dict(self) -> dict[str, Any]:",
            '        """The JSON form of the other interfaces, as a dict: bytes are hexadecimal, secrets are missing."""', ""]


def function_lines(callable_, description, name=None, first=()):
    positional, keywords = arguments(callable_, description)
    declared = [*first, *(text.split("|")[0].strip() for text in callable_.first or [])]
    declared += [f"{a.name}: {a.annotation}" + (f" = {a.default}" if a.default else "") for a in positional]
    declared += ["*"] if keywords else []
    declared += [f"{a.name}: {a.annotation}" + (f" = {a.default}" if a.default else "") for a in keywords]
    return [f"def {name or callable_.name}(", *(f"    {argument}," for argument in declared),
            f") -> {callable_.returns or 'None'}:", *doc_lines(docstring(callable_, description), "    ")]


def files(description):
    text = (SOURCE / STUB).read_text()
    types = [line for enum in description.enums.values() if enum.python is not False for line in enum_lines(enum)]
    types += [line for result in description.results.values() if result.python is not False
              for line in class_lines(result, description)]
    functions = []
    for callable_ in (callable_ for noun in description.nouns for callable_ in noun.python):
        if callable_.constructor:
            body = function_lines(callable_, description, "__init__", ["self"])
            text = replace_section(text, f"arguments of {callable_.name}", "\n".join(body), ("# ", ""))
        else:
            functions += [*function_lines(callable_, description), ""]
    text = replace_section(text, "enumerations and results", "\n".join(types).rstrip("\n"), ("# ", ""))
    yield STUB, replace_section(text, "functions", "\n".join(functions).rstrip("\n"), ("# ", ""))
