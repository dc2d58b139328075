#!/usr/bin/env python3
"""Compares src/vmm/kvm/*_abi.hpp with the newest kernel headers that Debian packages.

tee_abi_mirror.py SOURCE_DIR FOLDER COMPILER: fetches linux-libc-dev of Debian's development suite (else of backports)
from the mirror that apt uses on this machine, unpacks it into FOLDER without installing it, and compiles
tee_abi_mirror.cpp against it. Exit status 77, with the reason, where the headers cannot be had.
"""
import pathlib
import shutil
import subprocess
import sys

SKIP = 77
PACKAGE = "linux-libc-dev"
SUITES = ["sid", "bookworm-backports"]  # newest first


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(SKIP)


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, timeout=240, **options)


def mirror():
    """Where this machine's apt gets Debian itself from."""
    answer = run("apt-get", "indextargets", "--format", "$(REPO_URI)", "Origin: Debian", "Label: Debian")
    found = answer.stdout.split()
    if not found:
        skip("apt knows no Debian mirror here (apt-get update was not run)")
    return found[0]


def fetch(folder, suite, uri):
    """An apt of its own in `folder`: the machine's is not touched. The headers are compiled, never run."""
    for name in ("lists/partial", "cache/partial"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    sources = folder / "sources.list"
    sources.write_text(f"deb [trusted=yes] {uri} {suite} main\n")
    options = [f"-o{name}={value}" for name, value in {
        "Dir::Etc::sourcelist": sources, "Dir::Etc::sourceparts": "-", "Dir::State::lists": folder / "lists",
        "Dir::Cache": folder / "cache", "Acquire::Languages": "none", "Acquire::Retries": "1"}.items()]
    if run("apt-get", *options, "update").returncode != 0:
        return None
    if run("apt-get", *options, "download", f"{PACKAGE}/{suite}", cwd=folder).returncode != 0:
        return None
    return next(folder.glob(f"{PACKAGE}_*.deb"), None)


def headers(folder):
    """The include folders of the unpacked package; fetched once, kept in the build folder."""
    root = folder / "root"
    if not (root / "usr/include/linux/kvm.h").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        uri = mirror()
        package = next(filter(None, (fetch(folder, suite, uri) for suite in SUITES)), None)
        if package is None:
            skip(f"{PACKAGE} of {' or '.join(SUITES)} cannot be downloaded")
        run("dpkg-deb", "-x", str(package), str(root), check=True)
        shutil.rmtree(folder / "lists", ignore_errors=True)
    return [root / "usr/include", root / "usr/include/x86_64-linux-gnu"]


def main():
    source, folder, compiler = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        skip("not a Debian machine")
    try:
        includes = headers(folder)
    except subprocess.TimeoutExpired:
        skip("the Debian mirror does not answer")
    flags = [flag for path in includes for flag in ("-isystem", str(path))]
    answer = run(compiler, "-std=gnu++20", "-fsyntax-only", "-Wno-invalid-offsetof", *flags, f"-I{source}/include",
                 f"-I{source}/src", str(source / "tests/fake_kvm/tee_abi_mirror.cpp"))
    print(answer.stderr, end="")
    print("against", next((path.name for path in folder.glob(f"{PACKAGE}_*.deb")), "?"))
    sys.exit(answer.returncode)


if __name__ == "__main__":
    main()
