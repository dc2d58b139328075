"""Retired words stay out of what users read: public headers, help texts, docs, READMEs, messages."""

import pathlib
import re
import subprocess

import pytest

from source_tree import SOURCE, tracked

# What is retired, and what stands in its place. docs/contributing/glossary.md explains the words that we use.
RETIRED = {
    r"\bstations?\b": "boot stage",
    r"\bjourneys?\b": "boot stages",
    r"\brooms?\b": "component; of memory: space",
    r"\bfaces?\b": "interface or binding",
    r"\blaws?\b": "dependency rules",
    r"\bfore(?:cast\w*|told|tells?)\b": "predicted",
    r"\b(?:heard|hears?)\b": "hashed",
    r"\b(?:doors?|lids?)\b": "what it is: an interface, a mask",
    r"(?<!\bthere )\b(?:is|are|was|be) no (?!longer\b|more\b)[a-z]+": "is not a …",
    r"\bone an? (?:vCPU|concept|descriptor|page|parser|line|thread|device|test|target|core)\b": "one per …",
    r"\bthere is none such\b": "unknown …",
    r"\bare possible\b": "… out of range … to …",
    r"\bwithout a word\b": "without an exit report",
    r"\bin vain\b": "incomplete",
    r"\b(?:says?|said|tells?|told)\b": "reports, contains, specifies",
    r"\bshall\b": "must",
    r", too(?=[.;:,)]|$)": "also",
}
# A passphrase is what a person types; everything else is the disk key.
PASSPHRASE = re.compile(r"passphrase", re.I)
PASSPHRASE_ALLOWED = re.compile(r"recovery|source_passphrase|register_workload|person|people|that opens the disk|also all else|the only type", re.I)


def offences(text):
    """(line number, what was found, what to write) of each retired word in `text`."""
    for number, line in enumerate(text.splitlines(), 1):
        for pattern, better in RETIRED.items():
            for found in re.finditer(pattern, line, re.I):
                yield number, found.group(0), better


def report(name, text):
    return [f'{name}:{number}: "{found}": write {better}' for number, found, better in offences(text)]


def literals(text):
    """The text with its string literals alone, line by line."""
    code = re.sub(r"^\s*#include.*$|//.*?$", "", text, flags=re.M)
    return re.sub(r'"((?:\\.|[^"\\\n])*)"|[^"\n]', lambda found: found.group(1) or "", code)


def test_headers_and_docs():
    found = []
    for path in [*tracked(".hpp", ".h", ".def", under="include"), *tracked(".md")]:
        if path.name != "CHANGELOG.md":  # it names what was renamed
            found += report(path.relative_to(SOURCE), path.read_text())
    assert not found, "\n".join(found)


def test_messages():
    found = []
    for folder in ("src", "bindings", "python"):
        for path in tracked(".cpp", ".hpp", ".py", ".pyi", under=folder):
            found += report(path.relative_to(SOURCE), literals(path.read_text()))
    assert not found, "\n".join(found)


def commands(program, *path):
    """The help text of `program` with the words `path`, and of every command below it."""
    text = subprocess.run([program, *path, "--help"], capture_output=True, text=True, check=True).stdout
    yield " ".join(path), text
    section = re.search(r"^Sub-?commands:\n((?: +.*\n?)+)", text, re.M | re.I)
    for name in re.findall(r"^  ([a-z][\w-]*)\b", section.group(1), re.M) if section else []:
        yield from commands(program, *path, name)


def test_help():
    program = SOURCE / "build/dev/src/cli/bartizan"
    if not program.exists():
        pytest.fail(f"not built: {program}")
    texts = dict(commands(program))
    assert {"", "build", "run", "measure"} <= set(texts), sorted(texts)
    found = [line for name, text in texts.items() for line in report(f"bartizan {name} --help", text)]
    assert not found, "\n".join(found)


def test_passphrase_is_what_a_person_types():
    found = [f"{path.relative_to(SOURCE)}:{number}: {line.strip()}"
             for path in tracked(".hpp", ".h", under="include")
             for number, line in enumerate(path.read_text().splitlines(), 1)
             if PASSPHRASE.search(line) and not PASSPHRASE_ALLOWED.search(line)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("text", ["It is no folder.", "the stations", "one a vCPU", "the header says so", "Tells the host"])
def test_finds_the_words(text):
    assert list(offences(text))


@pytest.mark.parametrize("text", ["It is no longer there.", "a stage", "surfaces", "one per vCPU", "outlaws", "essays"])
def test_leaves_other_words(text):
    assert not list(offences(text))
