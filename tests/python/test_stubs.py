"""The stubs have the arguments of the module: names, order, which are by keyword and which may be left out."""

import ast
import pathlib
import re

import bartizan
from bartizan import _core

TREE = ast.parse((pathlib.Path(bartizan.__file__).parent / "_core.pyi").read_text())


def split(text):
    """The parts of a list of arguments, at the commas that are not inside brackets or quotes."""
    parts, depth, quote = [""], 0, ""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        depth += (character in "([{<") - (character in ")]}>")
        if character == "," and depth == 0 and not quote:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts if part.strip()]


def bound(function):
    """(name, has a default) of each argument of a function of pybind11, by the first line of its documentation."""
    signature = function.__doc__.split("\n", 1)[0].rsplit(" -> ", 1)[0]
    arguments = split(signature[signature.index("(") + 1:-1])
    return [(part.split(":")[0].split("=")[0].strip(), "=" in part) for part in arguments]


def stubbed(node):
    arguments = node.args
    given = len(arguments.args) - len(arguments.defaults)
    found = [(argument.arg, position >= given) for position, argument in enumerate(arguments.args)]
    if arguments.kwonlyargs:
        found.append(("*", False))
    return found + [(argument.arg, default is not None) for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults)]


def test_split_knows_brackets_and_quotes():
    assert split("a: int, *, b: dict[str, int] = {'x, y': 1}, c: str = ','") == ["a: int", "*", "b: dict[str, int] = {'x, y': 1}", "c: str = ','"]


def test_functions_have_the_arguments_of_the_stubs():
    functions = [node for node in TREE.body if isinstance(node, ast.FunctionDef)]
    assert len(functions) > 10
    for node in functions:
        assert stubbed(node) == bound(getattr(_core, node.name)), node.name


def test_methods_have_the_arguments_of_the_stubs():
    checked = 0
    for node in TREE.body:
        for method in node.body if isinstance(node, ast.ClassDef) else []:
            real = getattr(getattr(_core, node.name), getattr(method, "name", ""), None)
            documentation = getattr(real, "__doc__", None) or ""
            if not isinstance(method, ast.FunctionDef) or method.decorator_list or "(self: bartizan." not in documentation:
                continue
            documented = bound(real)
            # pybind11 names an argument without a name arg0; __exit__ takes what comes.
            if not any(re.match(r"arg\d+$|\*args$", name) for name, _ in documented):
                assert stubbed(method) == documented, f"{node.name}.{method.name}"
                checked += 1
    assert checked > 15


def test_generated_docstrings_are_in_the_module_too():
    functions = {node.name: ast.get_docstring(node) for node in TREE.body if isinstance(node, ast.FunctionDef)}
    for name, text in functions.items():
        if text:
            assert " ".join(text.split()) in " ".join(getattr(_core, name).__doc__.split()), name
