"""Numbers that C++ defines once (include/bartizan/tee.hpp) and that other texts have to repeat: each copy is looked up here."""

import pathlib
import re

import pytest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
HOME = "include/bartizan/tee.hpp"

# Constant, file, what stands around the copy, and how often the file has it.
COPIES = [
    ("kDefaultSnpPolicy", HOME, r"Default (0x\w+); also for simulated", 1),
    ("kDefaultSnpPolicy", "include/bartizan.h", r"uint64_t policy;\s+/\*.*?\bdefault (0x\w+)", 2),
    ("kDefaultSnpPolicy", "python/bartizan/_core.pyi", r"policy: int = (0x\w+)", 1),
    ("kDefaultSnpPolicy", "docs/tee.md", r"\*\*Policies\.\*\* SNP (0x\w+)", 1),
    ("kDefaultSnpPolicy", "docs/tee.md", r"\| `policy` \|.*\| (0x\w+); 0x\w+, 0x\w+; none \|", 1),
    ("kDefaultSevPolicy", HOME, r"SEV API, table 2;\s+// default (0x\w+) and 0x", 1),
    ("kDefaultSevPolicy", "include/bartizan.h", r"SEV, SEV-ES: default\s+(0x\w+) and 0x", 1),
    ("kDefaultSevPolicy", "docs/tee.md", r"SEV (0x\w+), SEV-ES 0x", 1),
    ("kDefaultSevPolicy", "docs/tee.md", r"\| `policy` \|.*\| 0x\w+; (0x\w+), 0x\w+; none \|", 1),
    ("kDefaultSevEsPolicy", HOME, r"SEV API, table 2;\s+// default 0x\w+ and (0x\w+)", 1),
    ("kDefaultSevEsPolicy", "include/bartizan.h", r"SEV, SEV-ES: default\s+0x\w+ and (0x\w+)", 1),
    ("kDefaultSevEsPolicy", "docs/tee.md", r"SEV 0x\w+, SEV-ES (0x\w+)", 1),
    ("kDefaultSevEsPolicy", "docs/tee.md", r"\| `policy` \|.*\| 0x\w+; 0x\w+, (0x\w+); none \|", 1),
]


def value_of(name):
    return re.search(rf"\b{name} = (\w+)[,;]", (SOURCE / HOME).read_text()).group(1)


@pytest.mark.parametrize("name, path, pattern, count", COPIES)
def test_copy_is_the_constant(name, path, pattern, count):
    assert re.findall(pattern, (SOURCE / path).read_text()) == [value_of(name)] * count


def test_bindings_use_the_constants():
    for path in (SOURCE / "bindings").rglob("*.cpp"):
        assert value_of("kDefaultSnpPolicy") not in path.read_text(), f"{path.name}: a copy that no test compares"
