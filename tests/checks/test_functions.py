"""No function is too long: every function body is found, whatever the form of its head."""

import bisect
import re

import pytest

from source_tree import SOURCE, tracked

MAX_LINES = {"src": 70, "bindings": 70, "tests": 90}
SCOPES = re.compile(r"^(template\s*<.*>\s*)?(inline\s+)?(namespace|class|struct|enum|union|extern)\b", re.S)
QUALIFIERS = {"const", "noexcept", "override", "final", "try", "mutable"}
# What hides braces that are not code, and the first lines of a preprocessor's directive.
HIDDEN = re.compile(r'R"(\w*)\(.*?\)\1"|//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|(?<![0-9A-Fa-f])\'(?:\\.|[^\'\\\n])+\''
                    r'|^[ \t]*#(?:[^\n\\]|\\.|\\\n)*', re.S | re.M)


def visible(text):
    """`text` without comments, literals and directives; each line stays where it is."""
    return HIDDEN.sub(lambda hidden: re.sub(r"[^\n]", " ", hidden.group(0)), text)


def is_initializer(head):
    """A brace behind `head` initializes a member in a constructor's list: `Name(…) : member_`."""
    word = re.search(r"(\w+)\s*(<[^<>]*>)?\s*$", head)
    return bool(word) and word.group(1) not in QUALIFIERS and bool(re.search(r"\)\s*(noexcept\s*)?:(?!:)", head))


def is_function(head):
    without_parameters = re.sub(r"\boperator\W+?(?=\s*\()", "", head)
    while "(" in without_parameters:
        shorter = re.sub(r"\([^()]*\)", "@", without_parameters)
        if shorter == without_parameters:
            return False
        without_parameters = shorter
    return "@" in without_parameters and not re.search(r"(?<![=!<>])=(?!=)", without_parameters)


def functions(text):
    """(first line of the head, number of lines) of each function body outside other functions."""
    code = visible(text)
    starts = [0, *(each.end() for each in re.finditer("\n", code))]

    def line(offset):
        return bisect.bisect_right(starts, offset)

    def end_of_block(offset):
        depth = 0
        for brace in re.finditer(r"[{}]", code[offset:]):
            depth += 1 if brace.group(0) == "{" else -1
            if depth == 0:
                return offset + brace.end()
        raise ValueError("braces do not match")

    position, head_start, parentheses = 0, 0, 0
    while position < len(code):
        letter = code[position]
        if letter in "()":
            parentheses += 1 if letter == "(" else -1
        elif letter == "{" and parentheses:
            position = end_of_block(position)
            continue
        elif letter == "{":
            head = re.sub(r"^(\s*(public|protected|private)\s*:)+", "", code[head_start:position])
            stripped = re.sub(r"\[\[[^\]]*\]\]", "", head).strip()
            if is_initializer(stripped):
                position = end_of_block(position)
                continue
            if SCOPES.match(stripped) and not is_function(stripped) or not stripped:
                head_start = position + 1
            elif is_function(stripped):
                end = end_of_block(position)
                first = position - len(head.lstrip())
                yield line(first), line(end - 1) - line(first) + 1
                position = head_start = end
                continue
            else:
                position = head_start = end_of_block(position)
                continue
        elif letter in "};" and not parentheses:
            head_start = position + 1
        position += 1


@pytest.mark.parametrize("folder", MAX_LINES)
def test_no_function_is_too_long(folder):
    """What scripts/make-api generates is a table in the form of code, and read in api/."""
    long = [f"{path.relative_to(SOURCE)}:{first}: {length} lines" for path in tracked(".cpp", ".hpp", ".c", under=folder)
            if "generated" not in path.parts for first, length in functions(path.read_text()) if length > MAX_LINES[folder]]
    assert not long, "\n".join(long)


@pytest.mark.parametrize("text, lengths", [
    ("int f() {\n}\n", [2]),
    ("std::string\nname_of(const Long& a,\n        const Long& b) {\n  return a;\n}\n", [5]),
    ("A::A(int x)\n    : x_{x},\n      y_(x) {\n  run();\n}\n", [5]),
    ("void f(Options options = {}) {\n}\nint g() const noexcept {\n}\n", [2, 2]),
    ("struct A {\n  bool operator==(const A&) const {\n    return true;\n  }\n  int x = 0;\n};\n", [3]),
    ("constexpr char kText[] = {'{', 1'000};\nTEST(A, B) {\n  auto f = [&](int) {\n  };\n}\n", [4]),
    ("template <typename T>\nauto f(T t) -> decltype(t()) {\n  return t();  // }\n}\n", [4]),
    ("namespace {\nstruct A {\n private:\n  void f() {\n  }\n};\nconst char* s = R\"({)\";\nvoid g()\n    override {\n}\n}\n", [2, 3]),
])
def test_finds_every_form_of_head(text, lengths):
    assert [length for _, length in functions(text)] == lengths
