"""The house rules that a compiler does not see: who may include whom, sizes, READMEs, paths named in the docs."""

import pathlib
import re
import subprocess

import pytest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
CODE = (".cpp", ".hpp", ".h", ".c", ".S")
MAX_FILE_LINES = 800
MAX_FUNCTION_LINES = 70
MAX_README_LINES = 25


def tracked(*suffixes, under=""):
    names = subprocess.run(["git", "ls-files", under or "."], cwd=SOURCE, capture_output=True, text=True, check=True)
    return [SOURCE / name for name in names.stdout.split("\n") if name.endswith(suffixes)]


# The law of docs/ARCHITECTURE.md, "Components (who may know whom)". A component may include itself, what is listed, and the
# public headers.
LAW = {
    "base": set(),
    "crypto": {"base"},
    "manifest": {"base", "crypto"},
    "memory": {"base", "crypto"},
    "kvm": {"base"},
    "devices": {"base", "memory", "manifest"},
    "virtio": {"base", "memory", "devices", "manifest"},
    "boot": {"base", "crypto", "memory"},
    "tee": {"base", "crypto", "memory", "kvm"},
    "vcpu": {"base", "memory", "kvm", "devices", "tee"},
    "bundle": {"base", "crypto", "boot"},
    "image": {"base", "crypto", "manifest"},
    "attest": {"base", "crypto", "manifest"},
    "machine": {"base", "crypto", "manifest", "memory", "kvm", "devices", "virtio", "boot", "tee", "vcpu", "bundle",
                "image", "attest", "stub"},
    "guest": {"base", "crypto", "manifest", "attest"},
    "cli": set(),
    "stub": {"base"},  # src/guest/stub; of `boot` it knows the contract header alone
}
STUB_CONTRACT = "guest_abi/stub_table.hpp"


def room_of(path):
    return "stub" if path.startswith("guest/stub/") else path.split("/")[0]


def test_rooms_include_only_what_the_law_allows():
    broken = []
    for path in tracked(*CODE, under="src"):
        room = room_of(str(path.relative_to(SOURCE / "src")))
        for included in re.findall(r'^\s*#include "([^"]+)"', path.read_text(), re.M):
            other = room_of(included)
            if component == "stub" and included == STUB_CONTRACT:
                continue
            if other in LAW and other != room and other not in LAW[room]:
                broken.append(f"{path.relative_to(SOURCE)}: {included}")
    assert not broken, "\n".join(broken)


def test_law_names_every_room():
    assert {path.name for path in (SOURCE / "src").iterdir() if path.is_dir()} | {"stub"} == set(LAW)


def test_bindings_see_the_public_headers_alone():
    broken = []
    for folder in ("bindings", "examples", "src/cli"):
        for path in tracked(*CODE, under=folder):
            for included in re.findall(r'^\s*#include "([^"]+)"', path.read_text(), re.M):
                if included.split("/")[0] in set(LAW) - {"cli"}:
                    broken.append(f"{path.relative_to(SOURCE)}: {included}")
    assert not broken, "\n".join(broken)


def test_pure_digest_code_knows_no_kvm():
    for path in (SOURCE / "src/tee").glob("*/digest.*"):
        assert "kvm/" not in path.read_text(), path


def test_no_file_is_too_long():
    long = [f"{path.relative_to(SOURCE)}: {count}" for path in tracked(*CODE, ".py", ".sh")
            if (count := len(path.read_text(errors="replace").splitlines())) > MAX_FILE_LINES]
    assert not long, "\n".join(long)


def functions(text):
    """(first line number, length) of brace blocks that open on a line that looks like a function's head."""
    start, depth, lines = None, 0, text.splitlines()
    for number, line in enumerate(lines, 1):
        code = re.sub(r'"(\\.|[^"\\])*"|\'(\\.|[^\'\\])*\'|//.*', "", line)
        if start is None and re.match(r"^(\w|  \w).*\)[^;]*\{\s*$", code) and not re.match(
                r"^\s*(namespace|class|struct|enum|union|extern)\b", code):
            start, depth = number, 0
        if start is not None:
            depth += code.count("{") - code.count("}")
            if depth <= 0:
                yield start, number - start + 1
                start = None


def test_no_function_is_too_long():
    long = [f"{path.relative_to(SOURCE)}:{line}: {length} lines" for path in tracked(".cpp", ".c", under="src")
            for line, length in functions(path.read_text()) if length > MAX_FUNCTION_LINES]
    assert not long, "\n".join(long)


def test_every_room_has_a_short_readme():
    for folder in sorted((SOURCE / "src").iterdir()):
        readme = folder / "README.md"
        assert readme.exists(), f"{folder.name} has no README.md"
        assert len(readme.read_text().splitlines()) <= MAX_README_LINES, readme


def test_public_headers_explain_themselves():
    for path in (SOURCE / "include/bartizan").glob("*.hpp"):
        assert path.read_text().startswith("//"), f"{path.name} does not start with its contract"


@pytest.mark.parametrize("path", [pathlib.Path("README.md"), *sorted(p.relative_to(SOURCE) for p in (SOURCE / "docs").glob("*.md"))],
                         ids=str)
def test_paths_named_in_the_docs_exist(path):
    missing = []
    for name in re.findall(r"`([\w.{},*/-]+/[\w.{},*/-]*)`", (SOURCE / path).read_text()):
        top = name.split("/")[0]
        if top not in {"src", "include", "tests", "scripts", "docs", "bindings", "python", "examples", "bench", "cmake", ".ci"}:
            continue
        if not all(list(SOURCE.glob(pattern.rstrip("/"))) for pattern in expand(name)):
            missing.append(name)
    assert not missing, missing


def expand(name):
    found = re.search(r"\{([^{}]*)\}", name)
    if not found:
        return [name]
    return [item for choice in found.group(1).split(",") for item in expand(name[:found.start()] + choice + name[found.end():])]


def test_readme_has_the_two_commands():
    text = (SOURCE / "README.md").read_text()
    assert "scripts/demo" in text and "scripts/test" in text


def test_specification_names_tests_that_exist():
    everything = "\n".join(path.read_text(errors="replace") for path in tracked(".cpp", ".py", ".c", ".sh", under="tests"))
    missing = []
    for name in re.findall(r"\[test: ([\w./]+)\]", (SOURCE / "docs/SPECIFICATION.md").read_text()):
        suite, _, case = name.rpartition(".")
        pattern = rf"TEST(_F|_P)?\(\s*{suite}\s*,\s*{case}\s*\)" if suite else rf"\bdef {case}\b"
        if not re.search(pattern, everything) and not (SOURCE / name).exists():
            missing.append(name)
    assert not missing, missing


def test_no_todo_without_an_issue():
    found = [f"{path.relative_to(SOURCE)}: {line.strip()}" for path in tracked(*CODE, ".py", ".sh", ".cmake", ".txt")
             if path != pathlib.Path(__file__)
             for line in path.read_text(errors="replace").splitlines()
             if re.search(r"\b(TODO|FIXME|XXX)\b(?!\(#\d+\))", line)]
    assert not found, "\n".join(found)


def test_no_two_tries_inside_one_pair_of_braces():
    found = []
    for path in tracked(".cpp", ".hpp", under="src"):
        text = re.sub(r"//.*", "", path.read_text())
        for braces in re.finditer(r"\w\{([^{};]*)\}", text):
            if len(re.findall(r"\bTRY\(", braces.group(1))) > 1:
                found.append(f"{path.relative_to(SOURCE)}: {braces.group(0)[:80]}")
    assert not found, "\n".join(found)


def test_every_fuzz_target_has_a_corpus():
    for path in (SOURCE / "tests/fuzz").glob("*_fuzz.cpp"):
        corpus = SOURCE / "tests/fuzz/corpus" / path.stem
        assert corpus.is_dir() and any(corpus.iterdir()), f"{path.name}: no {corpus.relative_to(SOURCE)}"


def test_every_parser_room_has_a_fuzz_target():
    targets = {path.name for path in (SOURCE / "tests/fuzz").glob("*_fuzz.cpp")}
    for word in ("bzimage", "virtio", "layer", "luks2", "report", "manifest", "jwe"):
        assert any(word in target for target in targets), f"no fuzz target for {word}"
