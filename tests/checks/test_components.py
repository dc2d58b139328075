"""The dependency rules of docs/ARCHITECTURE.md, from CMake alone: the build folder's components.json names each
component and what it uses. Checked here on includes, symbols, namespaces and the drawings that are made of it."""

import functools
import importlib.machinery
import importlib.util
import os
import pathlib
import re
import subprocess
import sys

import pytest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BARTIZAN_BUILD", SOURCE / "build/dev"))
CODE = (".cpp", ".hpp", ".h", ".c", ".S")
# Components that know no VM: they plan, measure, judge and build on any machine.
PURE = ("guest_abi", "attest/", "guest/stub", "image/", "plan/")
# The stub is a program without a library beneath it: its own headers and the contract with the planner.
STUB_CONTRACT = "guest_abi/stub_table.hpp"
STUB_HOST_FILES = ("image.cpp", "image.hpp")


def load_script():
    loader = importlib.machinery.SourceFileLoader("make_components", str(SOURCE / "scripts/make-components"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("make_components", loader))
    loader.exec_module(module)
    return module


SCRIPT = load_script()


@pytest.fixture(scope="session")
def components():
    return SCRIPT.load(BUILD)


def folder_of(name):
    """A component lies in src/; interfaces may lie beside it."""
    return SOURCE / "src" / name if (SOURCE / "src" / name).is_dir() else SOURCE / name


def component_of(path, components):
    """The innermost component whose folder holds the path, which is relative to src/ or to the top folder."""
    parts = path.split("/")
    for length in range(len(parts) - 1, 0, -1):
        if (name := "/".join(parts[:length])) in components:
            return name
    return None


def files(*suffixes, under):
    names = subprocess.run(["git", "ls-files", *under], cwd=SOURCE, capture_output=True, text=True, check=True)
    return [SOURCE / name for name in names.stdout.split("\n") if name.endswith(suffixes)]


def sources():
    """(path relative to src/ or to the top folder, text) of all code that belongs to a component."""
    for path in files(*CODE, under=("src", "bindings", "examples")):
        under_top = str(path.relative_to(SOURCE))
        yield under_top.removeprefix("src/"), path.read_text()


def target_of_include(included):
    """bindings/common is on the include path as `common`, bindings/krun as `krun`."""
    return f"bindings/{included}" if included.startswith(("common/", "c/", "krun/", "python/")) else included


def includes(components, code):
    """(file, component, included header, its component) of each include of another component."""
    for path, text in code:
        own = component_of(path, components)
        for included in re.findall(r'^\s*#include "([^"]+)"', text, re.M):
            other = component_of(target_of_include(included), components)
            if other and other != own:
                yield path, own, included, other


def forbidden_includes(components, code):
    return [f"{path} includes {included}" for path, own, included, other in includes(components, code)
            if own is None or other not in components[own]["uses"]]


def upward_uses(components):
    """A component may use what was declared before it: so there is no circle, and no arrow points upwards."""
    order = list(components)
    return [f"{name} uses {used}" for name, component in components.items() for used in component["uses"]
            if used not in order or order.index(used) >= order.index(name)]


@functools.cache
def symbols(archive):
    """(defined, undefined) symbols with strong linkage."""
    text = subprocess.run(["nm", "--format=posix", archive], capture_output=True, text=True, check=True).stdout
    defined, undefined = set(), set()
    for line in text.splitlines():
        fields = line.split()
        if len(fields) > 1 and fields[1] in "TDBR":
            defined.add(fields[0])
        elif len(fields) > 1 and fields[1] == "U":
            undefined.add(fields[0])
    return defined, undefined - defined


def archive_of(name):
    return BUILD / "src" / name / f"libbartizan_{name.replace('/', '_')}.a"


def libraries(components):
    """The components that are libraries, all of them built."""
    names = [name for name in components if "bartizan_component(" in cmake_of(name)]
    missing = [str(archive_of(name)) for name in names if not archive_of(name).exists()]
    assert not missing, f"not built: {missing}"
    return names


def cmake_of(name):
    path = folder_of(name) / "CMakeLists.txt"
    return path.read_text() if path.exists() else ""


def linked(user, used):
    return bool(symbols(archive_of(user))[1] & symbols(archive_of(used))[0])


# What each check must find, on rules that are broken on purpose.

BROKEN = {"base": {"is": "", "uses": []}, "low": {"is": "", "uses": ["high"]}, "high": {"is": "", "uses": ["base"]}}


def test_checks_can_fail():
    assert upward_uses(BROKEN) == ["low uses high"]
    code = [("low/a.cpp", '#include "base/errors.hpp"\n#include "high/b.hpp"\n#include "low/c.hpp"\n')]
    assert forbidden_includes(BROKEN, code) == ["low/a.cpp includes base/errors.hpp"]
    assert wrong_namespaces({"low": {}}, [("low/x/a.cpp", "namespace bartizan::low {\n")]) == []
    assert wrong_namespaces({"low": {}}, [("low/a.cpp", "namespace bartizan::high {\n")])
    assert wrong_namespaces({"low": {}}, [("low/a.hpp", "namespace bartizan {\n")])


def test_every_source_file_belongs_to_a_component(components):
    lost = [path for path, _ in sources() if component_of(path, components) is None]
    assert not lost, lost
    empty = [name for name in components if not files(*CODE, under=[str(folder_of(name).relative_to(SOURCE))])]
    assert not empty, empty


def test_components_include_only_what_they_use(components):
    broken = forbidden_includes(components, sources())
    assert not broken, "\n".join(broken)


def test_no_circle_and_no_arrow_upwards(components):
    assert not upward_uses(components)


def test_every_use_is_needed(components):
    """By an include, or else by a call of a public function that the other component defines."""
    included = {(own, other) for _, own, _, other in includes(components, sources())}
    names = libraries(components)
    unused = [f"{name}: {used}" for name in components for used in components[name]["uses"]
              if (name, used) not in included and not (name in names and linked(name, used))]
    assert not unused, unused


def test_every_symbol_comes_from_what_is_used(components):
    """Public functions are declared in include/bartizan/, so that a call of them needs no include of the component
    that defines them. It needs an entry all the same."""
    names = libraries(components)
    missing = [f"{name} calls {used}" for name in names for used in names
               if used != name and used not in SCRIPT.closure(components, name) and linked(name, used)]
    assert not missing, missing


def test_public_headers_include_nothing_of_ours(components):
    for path in files(".h", ".hpp", ".def", under=["include"]):
        for included in re.findall(r'^\s*#include "([^"]+)"', path.read_text(), re.M):
            assert included.startswith("bartizan"), f"{path.name} includes {included}"


def test_stub_includes_the_contract_alone():
    for path in files(*CODE, under=["src/guest/stub"]):
        if path.name in STUB_HOST_FILES:
            continue
        for included in re.findall(r'^\s*#include "([^"]+)"', path.read_text(), re.M):
            assert included == STUB_CONTRACT or included.startswith("guest/stub/"), f"{path.name} includes {included}"
    contract = (SOURCE / "src" / STUB_CONTRACT).read_text()
    assert re.findall(r'^\s*#include "([^"]+)"', contract, re.M) == ["base/units.hpp"], "constants, and nothing to link"


# Namespace = path

def wrong_namespaces(components, code):
    """`src/vmm/kvm` is `bartizan::vmm::kvm`; a folder inside a component may be a namespace or not. base, which has no
    namespace of its own, and the definitions of public functions are in `bartizan`."""
    wrong = []
    for path, text in code:
        name = component_of(path, components)
        if not name or name == "base":
            continue
        wanted = "bartizan::" + name.replace("/", "::")
        for found in re.findall(r"^namespace ([\w:]+) \{", text, re.M):
            inner = "bartizan::" + str(pathlib.PurePosixPath(path).parent).replace("/", "::")
            public = found == "bartizan" and (path.endswith(".cpp") or (path, found) in PUBLIC_HEADERS)
            nested = found.startswith(wanted + "::") or not found.startswith("bartizan")
            if found not in (wanted, inner) and not public and not nested:
                wrong.append(f"{path}: {found}, not {wanted}")
    return wrong


PUBLIC_HEADERS = set()


def test_namespaces_are_paths(components):
    code = [(path, text) for path, text in sources() if not path.startswith(("bindings/", "examples/", "cli/"))]
    wrong = wrong_namespaces(components, code)
    assert not wrong, "\n".join(wrong)


# Purity


def test_pure_components_use_no_vm(components):
    impure = [f"{name} uses {used}" for name in components if name.startswith(PURE)
              for used in SCRIPT.closure(components, name) if used.startswith("vmm/")]
    assert not impure, impure


def test_pure_components_link_without_kvm():
    """tests/checks/pure.cpp is linked with every object file of the pure components, and with none of vmm."""
    program = BUILD / "tests/checks/pure_components"
    assert program.exists(), "not built: pure_components"
    names = subprocess.run(["nm", "-C", program], capture_output=True, text=True, check=True).stdout
    assert "bartizan::plan::measure::" in names and "bartizan::attest::broker::" in names
    assert "bartizan::vmm::" not in names
    assert subprocess.run([program], check=False).returncode == 0


# What is made of the rules

def test_table_and_drawing_are_what_the_build_says():
    run = subprocess.run([sys.executable, SOURCE / "scripts/make-components", "--build", BUILD, "--check"],
                         capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
