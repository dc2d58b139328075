"""What pages and READMEs name exists, repeats numbers rightly, and keeps its form."""

import json
import os
import pathlib
import re
import subprocess

import pytest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BARTIZAN_BUILD", SOURCE / "build/dev"))
MAX_COLUMNS = 100
MAX_README_LINES = 25
TOP_FOLDERS = {"src", "include", "tests", "scripts", "docs", "bindings", "python", "examples", "bench", "cmake", ".ci"}
FILE_NAME = re.compile(r"[\w./-]*\w\.(?:hpp|cpp|h|c|S|py|sh|md|def|cmake|txt|json|map|abi|toml)")
# Names that are no files of the tree: in images and bundles, in a broker's state folder, or made by a build.
ELSEWHERE = {"bartizan.json", "krun-sev.json", "bundle.json", ".krun_config.json", "components.json", "krun_config.json",
             "api.rst", "modules.dep", "config.json"}


def tracked():
    names = subprocess.run(["git", "ls-files"], cwd=SOURCE, capture_output=True, text=True, check=True)
    return names.stdout.split("\n")


TRACKED = tracked()
PAGES = [name for name in TRACKED if name.endswith(".md")]


def prose(name):
    """The text without blocks of code."""
    return re.sub(r"^```.*?^```$", "", (SOURCE / name).read_text(), flags=re.M | re.S)


def expand(name):
    found = re.search(r"\{([^{}]*)\}", name)
    if not found:
        return [name]
    return [item for choice in found.group(1).split(",")
            for item in expand(name[:found.start()] + choice + name[found.end():])]


def named_paths(text):
    return re.findall(r"`([\w.{},*/-]+)`", text)


def found(folder, name):
    return all(list(folder.glob(pattern.rstrip("/"))) or list(folder.glob(pattern.rstrip("/") + ".*"))
               for pattern in expand(name))


def exists(name, page):
    """From the top folder; from src/, with or without the ending; or, for a bare file name, anywhere. NAME stands for
    any name."""
    first = name.split("/")[0]
    if "NAME" in name or not first:
        return True
    if "/" in name and first in TOP_FOLDERS:
        return found(SOURCE, name)
    if "/" in name and (SOURCE / "src" / first).is_dir():
        return found(SOURCE / "src", name)
    if FILE_NAME.fullmatch(name):
        return name in ELSEWHERE or (SOURCE / page).parent.joinpath(name).exists() or any(
            file == name or file.endswith("/" + name) for file in TRACKED)
    return True


def missing_paths(text, page):
    return [name for name in named_paths(text) if not exists(name, page)]


def test_missing_paths_are_found():
    text = "`src/base/errors.hpp` `src/base/nothing.hpp` `test_symbols_that_are_not.py` `vmm/nothing` `vmm/kvm` `image/*`"
    assert missing_paths(text, "README.md") == ["src/base/nothing.hpp", "test_symbols_that_are_not.py", "vmm/nothing"]


@pytest.mark.parametrize("page", PAGES)
def test_paths_named_in_pages_exist(page):
    if page == "CHANGELOG.md":  # it names what was
        return
    missing = missing_paths(prose(page), page)
    assert not missing, missing


@pytest.mark.parametrize("page", PAGES)
def test_pages_are_narrow(page):
    """A row of a table cannot be wrapped."""
    wide = [f"{number}: {len(line)} columns" for number, line in enumerate((SOURCE / page).read_text().split("\n"), 1)
            if len(line) > MAX_COLUMNS and not line.lstrip().startswith("|")
            and not re.search(r"https?://\S{60}", line)]
    assert not wide, wide


def test_every_component_has_a_short_readme():
    """Of its own or in a folder above it."""
    components = json.loads((BUILD / "components.json").read_text())
    folders = [SOURCE / "src" / name if (SOURCE / "src" / name).is_dir() else SOURCE / name for name in components]
    lonely = [str(folder) for folder in folders
              if folder.name != "examples" and not any((above / "README.md").exists()
                                                       for above in (folder, *folder.parents)
                                                       if above not in (SOURCE, SOURCE / "src", *SOURCE.parents))]
    assert not lonely, lonely
    long = [page for page in PAGES if page.startswith(("src/", "bindings/"))
            and len((SOURCE / page).read_text().splitlines()) > MAX_README_LINES]
    assert not long, long


def test_specification_names_tests_that_exist():
    everything = "\n".join((SOURCE / name).read_text(errors="replace") for name in TRACKED
                           if name.startswith("tests/") and name.endswith((".cpp", ".py", ".c", ".sh")))
    names = re.findall(r"\[test: ([\w./]+)\]", (SOURCE / "docs/SPECIFICATION.md").read_text())
    missing = []
    for name in names:
        suite, _, case = name.rpartition(".")
        pattern = rf"TEST(_F|_P)?\(\s*{suite}\s*,\s*{case}\s*\)" if suite else rf"\bdef {case}\b"
        if not re.search(pattern, everything) and not (SOURCE / name).exists():
            missing.append(name)
    assert names and not missing, missing


def test_promises_name_a_test():
    text = (SOURCE / "docs/SPECIFICATION.md").read_text()
    promises = re.split(r"^\* ", re.sub(r"^#.*$", "", text, flags=re.M), flags=re.M)[1:]
    assert not [promise for promise in promises if "[test: " not in promise]


# Numbers that docs/reference/guest-abi.md repeats

def rows(text, heading):
    section = text.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    cells = [[cell.strip().strip("`") for cell in line.strip("|").split(" | ")]
             for line in section.split("\n") if line.startswith("| ")]
    return cells[1:]


def constants(header):
    """Name -> number or text of each constexpr with a literal."""
    text = (SOURCE / "src/guest_abi" / header).read_text()
    return {name: value.strip('"') if value.startswith('"') else int(value, 0)
            for name, value in re.findall(r'constexpr [\w:]+ (k\w+) =\s+("[^"]*"|0x[0-9a-f]+|\d+);', text)}


def test_guest_abi_page_repeats_the_headers():
    page = (SOURCE / "docs/reference/guest-abi.md").read_text()
    known = constants("boot_stages.hpp")
    for heading in ("Control device", "vsock"):
        for number, name, *_ in rows(page, heading):
            if name.startswith("k"):
                assert int(number, 0) == known.pop(name), name
    for serial, name, _ in rows(page, "Disks"):
        assert serial == known.pop(name), name
    assert f"CID is {known.pop('kGuestCid')} (`kGuestCid`)" in page
    left = [name for name in known if name.endswith(("Port", "Serial"))]
    assert not left, f"not on the page: {left}"


def test_guest_abi_page_has_the_stages_in_order():
    header = (SOURCE / "src/guest_abi/boot_stages.hpp").read_text()
    body = re.search(r"enum class BootStage : uint32_t \{(.*?)\}", header, re.S).group(1)
    stages = re.findall(r"\b([a-z]\w*)\b", body.replace("= 1", ""))
    page = (SOURCE / "docs/reference/guest-abi.md").read_text()
    assert [(int(number), name) for number, name, _ in rows(page, "Boot stages")] == list(enumerate(stages, 1))


def test_stages_go_by_name():
    """Numbers of stages shift when one is added; they stand in src/guest_abi and on the page above alone."""
    numbered = [f"{name}: {found}" for name in TRACKED if name.startswith("src/") and name.endswith((".hpp", ".cpp", ".md"))
                for found in re.findall(r"\b[Ss]tages? [1-9]\d*\b", (SOURCE / name).read_text())]
    assert not numbered, numbered


def test_guest_abi_page_has_the_slots_in_order():
    page = (SOURCE / "docs/reference/guest-abi.md").read_text()
    layout = (SOURCE / "src/plan/boot/layout.hpp").read_text()
    count = int(re.search(r"kVirtioSlots = (\d+);", layout).group(1))
    assert [int(number) for number, _ in rows(page, "Devices")] == list(range(count))


def test_readme_has_the_two_commands():
    text = (SOURCE / "README.md").read_text()
    assert "scripts/demo" in text and "scripts/test" in text
