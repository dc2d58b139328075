"""The house rules that a compiler does not see: sizes, headers, fuzz targets. Dependency rules: test_components.py;
pages and READMEs: test_documents.py."""

import pathlib
import re
import subprocess

SOURCE = pathlib.Path(__file__).resolve().parents[2]
CODE = (".cpp", ".hpp", ".h", ".c", ".S")
MAX_FILE_LINES = 800


def tracked(*suffixes, under=""):
    names = subprocess.run(["git", "ls-files", under or "."], cwd=SOURCE, capture_output=True, text=True, check=True)
    return [SOURCE / name for name in names.stdout.split("\n") if name.endswith(suffixes)]


def test_no_file_is_too_long():
    long = [f"{path.relative_to(SOURCE)}: {count}" for path in tracked(*CODE, ".py", ".sh")
            if path.name != "bartizan.h"  # the whole C interface with its reference, so that installation stays one file
            and "/generated/" not in str(path) and (count := len(path.read_text(errors="replace").splitlines())) > MAX_FILE_LINES]
    assert not long, "\n".join(long)


def test_public_headers_explain_themselves():
    for path in (SOURCE / "include/bartizan").glob("*.hpp"):
        assert path.read_text().startswith("//"), f"{path.name} does not start with its contract"


def test_no_todo_without_an_issue():
    found = [f"{path.relative_to(SOURCE)}: {line.strip()}" for path in tracked(*CODE, ".py", ".sh", ".cmake", ".txt")
             if path != pathlib.Path(__file__)
             for line in path.read_text(errors="replace").splitlines()
             if re.search(r"\b(TODO|FIXME|XXX)\b(?!\(#\d+\))", line)]
    assert not found, "\n".join(found)


def test_no_two_tries_inside_one_pair_of_braces():
    found = []
    for path in [*tracked(".cpp", ".hpp", under="src"), *tracked(".cpp", ".hpp", under="bindings")]:
        text = re.sub(r"//.*", "", path.read_text())
        for braces in re.finditer(r"\w\{([^{};]*)\}", text):
            if len(re.findall(r"\bTRY\(", braces.group(1))) > 1:
                found.append(f"{path.relative_to(SOURCE)}: {braces.group(0)[:80]}")
    assert not found, "\n".join(found)


def test_every_fuzz_target_has_a_corpus():
    for path in (SOURCE / "tests/fuzz").glob("*_fuzz.cpp"):
        corpus = SOURCE / "tests/fuzz/corpus" / path.stem
        assert corpus.is_dir() and any(corpus.iterdir()), f"{path.name}: no {corpus.relative_to(SOURCE)}"


def test_threads_are_started_in_one_place():
    """base/thread: there no exception leaves a thread's root, and no thread takes a signal of the process."""
    found = [f"{path.relative_to(SOURCE)}: {line.strip()}" for folder in ("src", "bindings")
             for path in tracked(".cpp", ".hpp", under=folder) if path.name != "thread.cpp" or path.parent.name != "base"
             for line in path.read_text().splitlines()
             if re.search(r"std::thread\s*[({]|std::thread \w+\s*[({]|std::jthread|std::async|pthread_create", line)]
    assert not found, "\n".join(found)
