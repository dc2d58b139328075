"""Layout and static checks: clang-format decides the first, clang-tidy and the thread safety analysis the second."""

import concurrent.futures
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess

import pytest

from source_tree import SOURCE, tracked

CPP = (".cpp", ".hpp", ".h", ".c")
MAX_COLUMNS = 100
VERSION = "14."  # of clang-format and clang-tidy: others lay out and find differently
BUILD = SOURCE / "build/dev"
# clang-tidy takes up to a minute for a file: `scripts/test quick` has time for so many of those that changed.
TIDY_FILES = 3
PROCESSORS = os.cpu_count() or 1


def tool(name):
    """The path of a program of LLVM in the version that the project uses."""
    for candidate in (f"{name}-{VERSION.rstrip('.')}", name):
        path = shutil.which(candidate)
        if path and f"version {VERSION}" in subprocess.run([path, "--version"], capture_output=True, text=True).stdout:
            return path
    pytest.fail(f"{name} {VERSION}x is not installed (scripts/setup tests)")


def changed_files():
    """What the working tree and the last commit change."""
    for revision in ("HEAD", "HEAD~1"):
        names = subprocess.run(["git", "diff", "--name-only", revision], cwd=SOURCE, capture_output=True, text=True).stdout
        yield from (SOURCE / name for name in names.splitlines())


def run_all(commands):
    """Runs each command; what the failed ones wrote."""
    with concurrent.futures.ThreadPoolExecutor(PROCESSORS) as pool:
        done = list(pool.map(lambda command: subprocess.run(command, cwd=SOURCE, capture_output=True, text=True), commands))
    return "\n".join(each.stdout + each.stderr for each in done if each.returncode != 0)


def test_every_file_is_formatted():
    formatter = tool("clang-format")
    files = [str(path.relative_to(SOURCE)) for path in tracked(*CPP)]
    parts = [files[i::4 * PROCESSORS] for i in range(4 * PROCESSORS)]
    wrong = run_all([formatter, "--dry-run", "-Werror", *part] for part in parts if part)
    assert not wrong, wrong[-4000:]


def test_no_line_is_too_long():
    """Comments: the formatter leaves them as they are. A line with a literal may be as long as its text."""
    long = [f"{path.relative_to(SOURCE)}:{number}" for folder in ("src", "include", "bindings")
            for path in tracked(*CPP, under=folder) if "generated" not in path.parts
            for number, line in enumerate(path.read_text().splitlines(), 1) if len(line) > MAX_COLUMNS and '"' not in line]
    assert not long, "\n".join(long)


def sources_in(path):
    """What one call of the compiler reads as sources: of a unity build several."""
    if path.suffix != ".cxx":
        return [path]
    return [pathlib.Path(name).resolve() for name in re.findall(r'^#include "(.*\.cpp)"$', path.read_text(), re.M)]


def compile_commands():
    """File -> the flags of the dev build that its preprocessor needs."""
    text = subprocess.run(["ninja", "-C", str(BUILD), "-t", "compdb"], capture_output=True, text=True, check=True).stdout
    commands = {}
    for entry in json.loads(text):
        path = pathlib.Path(entry["directory"], entry["file"]).resolve()
        if " -c " not in entry["command"] or path.suffix not in (".cpp", ".cxx"):
            continue
        words = shlex.split(entry["command"])
        after = dict(zip(words, words[1:]))
        flags = [word for word in words if re.match(r"-(I|D|std=)", word)]
        flags += ["-isystem", after["-isystem"]] if "-isystem" in after else []
        commands.update(dict.fromkeys(sources_in(path), flags))
    return commands


def holds_a_mutex(path):
    return re.search(r"\b(Mutex|MutexLock|Condition)\b", path.read_text()) is not None


def source_of(path, flags):
    """The file to compile so that `path` is read: itself, the one of its name, or one that includes it."""
    if path.with_suffix(".cpp") in flags:
        return path.with_suffix(".cpp")
    include = f'#include "{path.relative_to(SOURCE / "src")}"'
    return next(source for source in sorted(flags) if include in source.read_text())


def test_locks_are_held():
    """Clang's thread safety analysis of every file of src that holds a mutex."""
    compiler, flags = tool("clang"), compile_commands()
    holders = [path for path in tracked(".cpp", ".hpp", under="src") if holds_a_mutex(path)]
    sources = sorted({source_of(path, flags) for path in holders if path.name != "mutex.hpp"})
    assert len(sources) > 10, sources
    wrong = run_all([compiler, "--driver-mode=g++", "-fsyntax-only", "-Wthread-safety", "-Wthread-safety-beta",
                     "-Werror=thread-safety", "-Werror=thread-safety-beta", *flags[source], str(source)] for source in sources)
    assert not wrong, wrong[-4000:]


def test_the_analysis_notices_a_missing_lock(tmp_path):
    program = """
        #include "base/mutex.hpp"
        class Counter {
         public:
          int next() { MutexLock lock(mutex_); return ++count_; }
          int peek() { return count_; }
         private:
          bartizan::Mutex mutex_;
          int count_ BARTIZAN_GUARDED_BY(mutex_) = 0;
        };
        """.replace("MutexLock lock", "bartizan::MutexLock lock")
    (tmp_path / "counter.cpp").write_text(program)
    done = subprocess.run([tool("clang"), "--driver-mode=g++", "-std=c++20", "-fsyntax-only", "-Wthread-safety",
                           "-Werror=thread-safety", "-I", str(SOURCE / "src"), str(tmp_path / "counter.cpp")],
                          capture_output=True, text=True)
    assert done.returncode != 0 and "count_" in done.stderr and done.stderr.count("error:") == 1, done.stderr


def test_no_mutex_hides_from_the_analysis():
    hidden = [f"{path.relative_to(SOURCE)}: {found.group(0)}" for path in tracked(".cpp", ".hpp", under="src")
              if path != SOURCE / "src/base/mutex.hpp"
              for found in re.finditer(r"std::(mutex|condition_variable|lock_guard|unique_lock|scoped_lock)\b", path.read_text())]
    assert not hidden, "\n".join(hidden)


def files_to_tidy(flags):
    sources = [path for path in tracked(".cpp", under="src") if path in flags]
    level = os.environ.get("BARTIZAN_TEST_LEVEL", "quick")
    if level == "soak":
        return sources
    changed = set(changed_files())
    return [path for path in sources if path in changed][:TIDY_FILES]


def test_static_checks():
    if os.environ.get("BARTIZAN_TEST_LEVEL") == "full":
        pytest.skip("clang-tidy reads the changed files in quick and all of src in soak: it takes minutes a dozen files")
    tidy, flags = tool("clang-tidy"), compile_commands()
    wrong = run_all([tidy, "--quiet", "--warnings-as-errors=*", str(path), "--", *flags[path]] for path in files_to_tidy(flags))
    assert not wrong, wrong[-8000:]
