"""The description in api/*.toml, the files that scripts/make-api writes from it, and the C++ headers agree."""

import pathlib
import re
import shutil
import subprocess
import sys
import tomllib

import pytest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
HEADER = (SOURCE / "include/bartizan.h").read_text()
MIN_COMMENT_SHARE = 0.6


def test_generated_files_are_those_of_the_description():
    done = subprocess.run([sys.executable, SOURCE / "scripts/make-api", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def cpp_structs():
    """Names of the members of each struct in the public C++ headers."""
    text = "\n".join(path.read_text() for path in sorted((SOURCE / "include/bartizan").glob("*.hpp")))
    text = re.sub(r"//.*", "", text)
    structs = {}
    for name, body in re.findall(r"^struct (\w+) \{\n(.*?)^\};", text, re.M | re.S):
        body = re.sub(r"\{[^{}]*\}|\([^()]*\)", "", body)
        names = set()
        for statement in re.sub(r"=[^,;]*", "", body).split(";"):
            declared = re.sub(r"<[^;]*>", "", statement).split(",")
            names |= {part.split()[-1] for part in declared if part.split()}
        structs[name] = names
    return structs


def test_description_names_every_member_of_the_cpp_structs():
    structs, checked = cpp_structs(), 0
    not_described = {"BrokerOptions": {"clock"}, "MeasureOptions": {"launch", "firmware"}}
    for path in sorted((SOURCE / "api").glob("*.toml")):
        for kind in ("options", "results"):
            for table in tomllib.loads(path.read_text()).get(kind, {}).values():
                members = {value.get("cpp", name) for name, value in table.items()
                           if isinstance(value, dict) and value["type"] != "flags"}
                members = {name for name in members if "." not in name and "(" not in name}
                outside = {name for name, value in table.items() if isinstance(value, dict) and (
                    value["type"] == "custom" and "cpp" not in value or value.get("method"))}
                assert members - outside <= structs[table["cpp"]], table["cpp"]
                assert structs[table["cpp"]] - members <= not_described.get(table["cpp"], set()) | {"const"}, table["cpp"]
                checked += 1
    assert checked > 20


@pytest.mark.parametrize("library, path", [
    ("bartizan", "bindings/c/bartizan.map"), ("bartizan_tools", "bindings/c/tools/bartizan_tools.map")])
def test_every_function_of_the_map_is_described(library, path):
    functions = set()
    for description in sorted((SOURCE / "api").glob("*.toml")):
        noun = tomllib.loads(description.read_text())
        functions |= {name for name, function in noun.get("functions", {}).items()
                      if function.get("library", noun.get("library", "bartizan")) == library}
    listed = set(re.findall(r"^    (bartizan_\w+);", (SOURCE / path).read_text(), re.M))
    assert functions == {name for name in listed if not name.startswith("bartizan_private_")}


def test_header_has_the_version_of_the_build():
    version = re.search(r"^project\(.*VERSION ([\d.]+)", (SOURCE / "CMakeLists.txt").read_text(), re.M).group(1)
    assert re.findall(r"^#define BARTIZAN_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)$", HEADER, re.M) == version.split(".")


def test_header_is_a_reference():
    comments = "".join(re.findall(r"/\*.*?\*/", HEADER, re.S))
    share = (comments.count("\n") + len(re.findall(r"/\*.*?\*/", HEADER, re.S))) / len(HEADER.splitlines())
    assert share >= MIN_COMMENT_SHARE, share
    assert not [line for line in HEADER.splitlines() if len(line) > 100]


@pytest.mark.skipif(not shutil.which("man"), reason="man is not installed")
@pytest.mark.parametrize("page", sorted((SOURCE / "man").glob("*.1")), ids=lambda path: path.stem)
def test_man_pages_render(page):
    done = subprocess.run(["man", "--warnings", "-l", page], capture_output=True, text=True, env={"MANWIDTH": "80", "PATH": "/usr/bin:/bin"})
    assert done.returncode == 0 and not done.stderr, done.stderr
    assert "SYNOPSIS" in done.stdout
