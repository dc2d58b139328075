"""Result objects: equal by value, pickled and back, and nothing public without a word of documentation."""

import ast
import importlib.metadata
import inspect
import pathlib
import pickle
import re

import bartizan
import pytest

STUB = ast.parse((pathlib.Path(bartizan.__file__).parent / "_core.pyi").read_text())


def results(image, report, bundle):
    info = bartizan.inspect_image(image)
    return [
        info, info.luks, info.luks.keyslots[0], info.luks.segments[0], report, bartizan.read_bundle(bundle),
        bartizan.measure(bundle=bundle), bartizan.measure(bundle=bundle, tee="tdx"), bartizan.measure(bundle=bundle).pages[0],
        bartizan.probe(kvm_device="/nonexistent"), bartizan.probe(kvm_device="/nonexistent").tees[0],
        bartizan.PublishedPort(guest_port=80), bartizan.VsockPort(5, "/run/x"), bartizan.SevSecret(b"h", b"c", 5),
        bartizan.Evidence("simulated", b"report", [b"one", b"two"]),
    ]


def test_pickled_and_back_they_are_equal(image, report, bundle):
    for value in results(image, report, bundle):
        copy = pickle.loads(pickle.dumps(value))
        assert copy == value and copy is not value, value
        assert not copy != value
        assert copy != "something else" and copy != None  # noqa: E711
        with pytest.raises(TypeError):
            hash(value)
        if hasattr(value, "to_dict"):
            assert copy.to_dict() == value.to_dict()
    assert pickle.loads(pickle.dumps(report)).disk_key == report.disk_key


def test_what_differs_is_not_equal(image, bundle):
    assert bartizan.measure(bundle=bundle) != bartizan.measure(bundle=bundle, vcpus=2, tee="snp")
    assert bartizan.PublishedPort(guest_port=80) != bartizan.PublishedPort(guest_port=81)
    assert bartizan.SevSecret(b"h", b"c") != bartizan.SevSecret(b"h", b"d")


def own_words(member):
    """The documentation without the signatures that pybind11 writes."""
    lines = (member.__doc__ or "").strip().splitlines()
    return [line for line in lines if line.strip() and not re.match(r"\w*\(.*\) -> |Overloaded", line)]


def public(owner):
    for name, member in vars(owner).items():
        is_member = callable(member) or isinstance(member, (property, staticmethod)) or inspect.isdatadescriptor(member)
        # `name` of an enumeration is pybind11's own, like the enumerators.
        if not name.startswith("_") and is_member and not isinstance(member, (type, owner)) and name != "name":
            yield name, getattr(owner, name)


def test_every_public_member_has_documentation():
    silent, seen = [], 0
    for name in bartizan.__all__:
        value = getattr(bartizan, name)
        if name.startswith("_"):
            continue
        members = [(name, value)]
        if isinstance(value, type) and not issubclass(value, bartizan.Error):
            members += [(f"{name}.{member}", it) for member, it in public(value)]
        seen += len(members)
        silent += [path for path, member in members if not own_words(member)]
    assert not silent
    assert seen > 200


def test_every_class_and_function_of_the_stubs_has_documentation():
    silent = []
    for node in STUB.body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and not ast.get_docstring(node):
            silent.append(node.name)
        for method in node.body if isinstance(node, ast.ClassDef) else []:
            if isinstance(method, (ast.FunctionDef, ast.AsyncFunctionDef)) and not method.name.startswith("_"):
                if not ast.get_docstring(method):
                    silent.append(f"{node.name}.{method.name}")
    assert not silent


def test_the_package_has_its_licence():
    metadata = importlib.metadata.distribution("bartizan")
    texts = [file for file in metadata.files if file.name == "LICENSE"]
    assert texts and "Apache License" in texts[0].read_text()
