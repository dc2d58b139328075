"""Launches of firmware by QEMU, EC2 and GCE, measured by us and by sev-snp-measure (PyPI): every processor it knows in
every mode, and random combinations with fixed seeds, on made-up firmware and, where they are, on the vectors' real
pages. What one side refuses the other must refuse. Usage: firmware_grid.py FIRMWARE_DIGESTS"""

import itertools
import os
import pathlib
import random
import struct
import subprocess
import sys
import tempfile
import uuid

SKIPPED = 77
RANDOM_LAUNCHES = 240
SOURCE = pathlib.Path(__file__).resolve().parents[3]
VENV = SOURCE / "build/venv/bin/python"
VECTORS = SOURCE / "../shared/vectors/measure"
DEBIANS = pathlib.Path("/usr/share/OVMF")  # package ovmf, if it is installed

try:
    from sevsnpmeasure import guest, vcpu_types, vmm_types, vmsa
    from sevsnpmeasure.sev_mode import SevMode
except ImportError:
    # scripts/setup puts the package there.
    if VENV.exists() and not os.environ.get("BARTIZAN_IN_VENV"):
        os.environ["BARTIZAN_IN_VENV"] = "1"
        os.execv(VENV, [str(VENV), *sys.argv])
    print("skipped: Python package sev-snp-measure is not installed (scripts/setup installs it)")
    sys.exit(SKIPPED)

MODES = {"sev": SevMode.SEV, "sev-es": SevMode.SEV_ES, "snp": SevMode.SEV_SNP}
VMMS = {"qemu": vmm_types.VMMType.QEMU, "ec2": vmm_types.VMMType.ec2, "gce": vmm_types.VMMType.gce}
SECTION_KINDS = (1, 1, 1, 2, 3, 4, 0x10)


def entry(name, data):
    return data + struct.pack("<H", len(data) + 18) + uuid.UUID(name).bytes_le


def made_up_firmware(seed):
    """Random pages with a table of entries and SEV metadata; sometimes without a part."""
    draw = random.Random(seed)
    image = bytearray(draw.randbytes(4096 * draw.randint(1, 8)))
    sections = [(draw.randrange(0x800, 0x900) << 12, 0x1000 * (draw.randint(1, 6) if kind in (1, 4) else 1), kind)
                for kind in draw.sample(SECTION_KINDS, draw.randint(2, len(SECTION_KINDS)))]
    metadata = struct.pack("<4sIII", b"ASEV", 16 + 12 * len(sections), 1, len(sections))
    metadata += b"".join(struct.pack("<III", *section) for section in sections)
    at = draw.randrange(1024, 4096 - len(metadata))
    image[-at:len(image) - at + len(metadata)] = metadata
    table = entry("e47a6535-984a-4798-865e-4685a7bf8ec2", draw.randbytes(4))
    table += entry("dc886566-984a-4798-a75e-5585a7bf67cc", struct.pack("<I", at))
    if draw.random() < 0.9:
        table += entry("7255371f-3a3b-4b04-927b-1da6efa8d454", struct.pack("<II", 0x810000 + draw.randrange(0, 3900), 0x400))
    table += entry("00f771de-1a7e-4fcb-890e-68c77e2fb44e", struct.pack("<I", draw.getrandbits(32)))
    table += entry("96b582de-1fb2-45f7-baea-a366c55a082d", b"")[-18:]
    table = table[:-18] + struct.pack("<H", len(table)) + table[-16:]
    image[-32 - len(table):-32] = table
    return bytes(image)


class Files:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.firmware = [self.save(f"ovmf{seed}", made_up_firmware(seed)) for seed in range(12)]
        self.firmware += sorted(str(path) for path in (*VECTORS.glob("ovmf_*.bin"), *DEBIANS.glob("OVMF_CODE*.fd")))
        draw = random.Random(1)
        self.kernels = [self.save(f"kernel{size}", draw.randbytes(size)) for size in (0, 1, 4096, 70001)]
        self.initrds = [self.save(f"initrd{size}", draw.randbytes(size)) for size in (1, 9000)]

    def save(self, name, content):
        (self.folder / name).write_bytes(content)
        return str(self.folder / name)


def without_fpu(page):
    """What KVM before 6.10 makes of the register page."""
    return page[:0x408] + bytes(4) + page[0x40C:0x410] + bytes(2) + page[0x412:]


def theirs(launch):
    mode, ovmf, kernel, initrd, append, vcpus, signature, features, vmm, host_kernel, ovmf_digest = launch
    pages = vmsa.VMSA.pages
    if host_kernel == "before-6.10":
        vmsa.VMSA.pages = lambda self, count: map(without_fpu, pages(self, count))
    try:
        return guest.calc_launch_digest(MODES[mode], vcpus, signature, ovmf, kernel, initrd, append, features,
                                        ovmf_digest, VMMS[vmm]).hex()
    except RuntimeError:
        return "unsupported"
    finally:
        vmsa.VMSA.pages = pages


def every_processor(files):
    """Three modes, each processor, one and several vCPUs, with and without a kernel."""
    for mode, name, vcpus, kernel in itertools.product(MODES, vcpu_types.CPU_SIGS, (1, 4), (None, files.kernels[2])):
        features = 1 if mode == "snp" else 0
        yield (mode, files.firmware[0], kernel, kernel and files.initrds[0], "quiet" if kernel else None, vcpus,
               vcpu_types.CPU_SIGS[name], features, "qemu", "since-6.10", "")


def random_launch(files, seed):
    draw = random.Random(seed)
    mode = draw.choice(list(MODES))
    kernel = draw.choice([None, *files.kernels])
    initrd = draw.choice([None, *files.initrds]) if kernel else None
    append = draw.choice([None, "console=ttyS0 loglevel=7", "x" * 3000]) if kernel else None
    features = draw.choice((0x1, 0x21, draw.getrandbits(20) | 1)) if mode == "snp" else 0
    ovmf_digest = draw.randbytes(48).hex() if mode == "snp" and draw.random() < 0.2 else ""
    return (mode, draw.choice(files.firmware), kernel, initrd, append, draw.randint(1, 9), draw.getrandbits(28),
            features, draw.choice(list(VMMS)), draw.choice(("since-6.10", "before-6.10")), ovmf_digest)


def line(launch):
    mode, ovmf, kernel, initrd, append, vcpus, signature, features, vmm, host_kernel, ovmf_digest = launch
    return "\t".join((mode, ovmf, kernel or "", initrd or "", append or "", f"{vcpus:x}", f"{signature:x}",
                      f"{features:x}", vmm, host_kernel, ovmf_digest))


def main():
    with tempfile.TemporaryDirectory() as folder:
        files = Files(folder)
        launches = [*every_processor(files), *(random_launch(files, seed) for seed in range(RANDOM_LAUNCHES))]
        text = "".join(line(launch) + "\n" for launch in launches)
        ours = subprocess.run([sys.argv[1]], input=text, capture_output=True, text=True, check=True).stdout.split()
        expected = [theirs(launch) for launch in launches]
    differing = [line(launch) for launch, our, their in zip(launches, ours, expected) if our != their]
    if len(ours) != len(expected) or differing:
        print(f"FAILED: {len(ours)} answers for {len(expected)} launches; {len(differing)} differ:", *differing[:10], sep="\n")
        sys.exit(1)
    refused = expected.count("unsupported")
    print(f"{len(expected)} launches: equal ({len(set(expected))} different digests, {refused} refused by both)")


main()
