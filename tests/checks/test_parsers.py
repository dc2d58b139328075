"""Every parser of bytes stands in docs/security/attack-surface.md, with its bound and its fuzz target."""

import functools
import re

import pytest

from source_tree import SOURCE, tracked

PAGE = SOURCE / "docs/security/attack-surface.md"
# The parameters that make a function with such a name a parser of bytes.
BYTES = re.compile(r"\b(ByteView|Bytes|string_view|Json)\b")
DECLARATION = re.compile(r"\b((?:parse|read|decode)(?:_\w+)?)\(([^;{]*?)\)\s*(?:const)?\s*[;{]")
# The caller's own text: what a person types as an option of a command.
TYPED = {"src/cli/parse.hpp", "src/cli/options.hpp"}
NOT_PARSERS = {"read_exactly", "read_up_to"}  # fill a buffer from a file, and know nothing of its content


@functools.cache
def constants():
    """The names of all constants of src."""
    code = "\n".join(path.read_text() for path in tracked(".hpp", ".cpp", under="src"))
    return set(re.findall(r"\b(k[A-Z]\w+) =", code))


def rows():
    """The table of the page: parser, where the bytes come from, bound, fuzz target, file."""
    for line in PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 5 and cells[0].startswith("`"):
            yield [cells[0].strip("`"), *cells[1:4], cells[4].strip("`")]


def declarations(path):
    """(function, parameters) of the header `path`; a bare `parse` carries its class's name."""
    owner = None
    for line in re.finditer(r"^(?:class|struct) (?:\[\[\w+\]\] )?(\w+)[^;]*?\{|" + DECLARATION.pattern,
                            re.sub(r"//[^\n]*", "", path.read_text()), re.M):
        if line.group(1):
            owner = line.group(1)
        elif BYTES.search(line.group(3)) and line.group(2) not in NOT_PARSERS:
            yield f"{owner}::parse" if line.group(2) == "parse" else line.group(2)


def test_every_parser_is_in_the_table():
    known = {(name, file) for name, _, _, _, file in rows()}
    missing = []
    for path in tracked(".hpp", under="src"):
        file = str(path.relative_to(SOURCE))
        if file not in TYPED:
            missing += [f"{file}: {name}" for name in declarations(path) if (name, file) not in known]
    assert not missing, f"not in {PAGE.relative_to(SOURCE)}:\n" + "\n".join(missing)


@pytest.mark.parametrize("name, origin, bound, fuzz, file", rows(), ids=lambda cell: cell if "/" not in cell else "")
def test_row_is_true(name, origin, bound, fuzz, file):
    assert origin and (SOURCE / file).exists(), file
    assert re.search(rf"\b{name.split('::')[-1]}\b", (SOURCE / file).read_text()), f"{file} does not declare {name}"
    for constant in re.findall(r"`(k\w+)`", bound):
        assert constant in constants(), constant
    target = re.match(r"`(\w+)`(?: through `([\w:]+)`)?$", fuzz)
    if not target:
        assert re.match(r"none: .{10,}", fuzz), f"{name}: neither a fuzz target nor a reason"
        return
    program = next((path for stem in (target.group(1), "virtio_any_device") if (path := SOURCE / f"tests/fuzz/{stem}.cpp").exists()
                    and (stem != "virtio_any_device" or target.group(1).startswith("virtio_"))), None)
    assert program, f"no fuzz target {target.group(1)}"
    called = (target.group(2) or name).split("::")[-1]
    assert re.search(rf"\b{called}\b", program.read_text()), f"{program.name} does not call {called}"


def test_every_fuzz_target_is_in_the_table():
    named = " ".join(fuzz for _, _, _, fuzz, _ in rows())
    targets = {path.stem for path in (SOURCE / "tests/fuzz").glob("*_fuzz.cpp")}
    targets |= {f"virtio_{device}_fuzz" for device in ("console", "block", "rng", "vsock", "net")}
    assert not [target for target in targets if f"`{target}`" not in named]
