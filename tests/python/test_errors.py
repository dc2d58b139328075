"""The exception classes: one a code, from the one list; builtins where they are natural, none for failed checks."""

import ast
import pathlib
import re

import bartizan
import pytest
from bartizan import _core, _errors
from bartizan_fixtures import SOURCE

CODES = re.findall(r'^BARTIZAN_ERROR\((\w+), (-\d+), "([^"]*)"\)', (SOURCE / "include/bartizan/errors.def").read_text(), re.M)


def class_of(name):
    return getattr(bartizan, "".join(word.capitalize() for word in name.split("_")))


@pytest.mark.parametrize(("name", "number", "advice"), CODES)
def test_each_code_of_the_list_has_its_class(name, number, advice):
    error = class_of(name)
    assert issubclass(error, bartizan.Error)
    assert (error.code, error.number, error.advice) == (name, int(number), advice)
    assert error.__name__ in bartizan.__all__
    assert error.__module__ == "bartizan"


def test_there_is_no_class_without_a_code():
    classes = {value for value in vars(bartizan).values() if isinstance(value, type) and issubclass(value, bartizan.Error)}
    assert classes == {class_of(name) for name, _, _ in CODES} | {bartizan.Error}


def test_failed_checks_are_no_builtin():
    assert bartizan.VerificationFailed.__bases__ == (bartizan.Error,)
    assert bartizan.Error.__bases__ == (Exception,)


@pytest.mark.parametrize("name", [name for name, _, _ in CODES])
def test_make_error_fills_every_field(name):
    number = class_of(name).number
    error = _errors.make_error(
        number, "one line", os_errno=2, origin="here", message="it", reason="why", expected="a", got="b"
    )
    assert type(error) is class_of(name)
    assert str(error) == "one line"
    assert (error.os_errno, error.origin, error.message) == (2, "here", "it")
    assert (error.reason, error.expected, error.got) == ("why", "a", "b")
    if isinstance(error, OSError):
        assert error.errno == 2


def test_a_missing_image_is_a_file_not_found_error():
    with pytest.raises(FileNotFoundError) as caught:
        bartizan.inspect_image("/nonexistent/image")
    error = caught.value
    assert isinstance(error, bartizan.NotFound)
    assert error.code == "not_found"
    assert "/nonexistent/image" in str(error)
    assert "\n" not in str(error)


def test_an_unknown_tee_is_a_value_error_that_names_the_choices():
    with pytest.raises(ValueError, match="simulated"):
        bartizan.measure(tee="sgx")


def test_stubs_name_what_the_module_has():
    tree = ast.parse((pathlib.Path(bartizan.__file__).parent / "_core.pyi").read_text())
    public = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    assert public == {name for name in dir(_core) if not name.startswith("_") and name != "ERROR_CODES"}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            functions = ast.FunctionDef | ast.AsyncFunctionDef
            stubbed = {item.name for item in node.body if isinstance(item, functions) and not item.name.startswith("_")}
            real = {name for name, value in vars(getattr(_core, node.name)).items()
                    if not name.startswith("_") and not isinstance(value, getattr(_core, node.name))}
            assert stubbed == real, node.name
    errors = ast.parse((pathlib.Path(bartizan.__file__).parent / "_errors.pyi").read_text())
    for node in errors.body:
        if isinstance(node, ast.ClassDef):
            real = getattr(_errors, node.name)
            assert [base.id for base in node.bases] == [base.__name__ for base in real.__bases__]


def test_package_is_typed_and_exports_what_it_lists():
    assert (pathlib.Path(bartizan.__file__).parent / "py.typed").exists()
    for name in bartizan.__all__:
        assert hasattr(bartizan, name)
