"""Numbers that C++ defines once (include/bartizan/tee.hpp) and that other texts have to repeat: each copy is looked up here.

What scripts/make-api writes from api/*.toml is not listed: test_api.py compares it with its source.
"""

import pathlib
import re

import pytest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
HOME = "include/bartizan/tee.hpp"

SNP, SEV, SEV_ES, VCPUS = "kDefaultSnpPolicy", "kDefaultSevPolicy", "kDefaultSevEsPolicy", "kMaxVcpus"

# File, what stands around the copies (one group for each), and whose copies they are.
COPIES = [
    (HOME, r"Default (0x\w+); also for simulated.*\n\s+// default (0x\w+) and (0x\w+)", (SNP, SEV, SEV_ES)),
    ("api/tee.toml", r"policy\]\ntype = \"u64\"\ndefault = (0x\w+)", (SNP,)),
    ("api/tee.toml", r"\"(0x\w+) for snp and simulated, (0x\w+) for sev, (0x\w+) for sev-es", (SNP, SEV, SEV_ES)),
    ("api/tee.toml", r"virtual CPUs, at most (\w+)\.", (VCPUS,)),
    ("api/machine.toml", r"virtual CPUs, at most (\w+)\.", (VCPUS,)),
    ("api/image.toml", r"virtual CPUs of a launch, at most (\w+)\.", (VCPUS,)),
    ("api/cli.toml", r"default: snp, simulated (0x\w+); sev (0x\w+); sev-es (0x\w+)", (SNP, SEV, SEV_ES)),
    ("api/cli.toml", r"Guest policy; default: (0x\w+)", (SNP,)),
    ("docs/tee.md", r"\*\*Policies\.\*\* SNP (0x\w+).*SEV (0x\w+), SEV-ES (0x\w+)", (SNP, SEV, SEV_ES)),
    ("docs/tee.md", r"\| `policy` \|.*\| (0x\w+); (0x\w+), (0x\w+); none \|", (SNP, SEV, SEV_ES)),
]


def value_of(name):
    return re.search(rf"\b{name} = (\w+)[,;]", (SOURCE / HOME).read_text()).group(1)


@pytest.mark.parametrize("path, pattern, names", COPIES)
def test_copies_are_the_constants(path, pattern, names):
    found = [match.groups() for match in re.finditer(pattern, (SOURCE / path).read_text())]
    assert found == [tuple(map(value_of, names))]


def test_code_uses_the_constants():
    """Generated files aside, no code repeats the SNP policy."""
    for folder in ("src", "bindings"):
        for path in (SOURCE / folder).rglob("*.[ch]pp"):
            if "generated" not in path.parts:
                assert not re.search(rf"\b{value_of(SNP)}\b", path.read_text()), f"{path}: use {SNP}"
