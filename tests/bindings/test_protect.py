"""Scratch disk, recovery passphrase and a look into LUKS headers, by the examples in C++, C and Python and the command line."""

import json
import subprocess
import sys

import pytest
from bartizan_fixtures import BUILD, KEY, SOURCE

CLI = BUILD / "src/cli/bartizan"
EXAMPLES = {
    "c++": [BUILD / "examples/cpp/protect_cpp"],
    "c": [BUILD / "examples/c/protect_c"],
    "python": [sys.executable, SOURCE / "examples/python/protect.py"],
}
RECOVERY = b"eight words that somebody wrote on paper"


def run(*words, **options):
    return subprocess.run([*map(str, words)], capture_output=True, timeout=240, **options)


def command_line(layout, out, key_file, recovery_file):
    return run(CLI, "build", layout, "-o", out, "--key-file", key_file, "--scratch", "64M", "--recovery-file", recovery_file,
               "--host-may", "output")


@pytest.mark.parametrize("interface", [*EXAMPLES, "cli"])
def test_two_ways_in_and_a_scratch_disk(interface, layout, key_file, tmp_path):
    recovery, out = tmp_path / "recovery", tmp_path / "out"
    recovery.write_bytes(RECOVERY + b"\n")
    words = (layout, out, key_file, recovery)
    done = command_line(*words) if interface == "cli" else run(*EXAMPLES[interface], *words)
    assert done.returncode == 0, done
    assert RECOVERY not in done.stdout + done.stderr and KEY not in done.stdout + done.stderr
    info = json.loads(run(CLI, "inspect", out, "--json").stdout)
    assert info["kind"] == "bartizan"
    assert info["scratch_bytes"] == 64 << 20
    assert json.loads(info["manifest"])["scratch"] == {"size": 64 << 20}
    assert info["host_may"] == "output"
    assert json.loads(info["manifest"])["host"] == {"input": False, "signals": False}
    assert [(slot["kdf"], slot["iterations"]) for slot in info["luks"]["keyslots"]] == [("pbkdf2", 1000), ("argon2id", 4)]
    assert run(CLI, "verify", out, "--key-file", recovery).returncode == 0


def test_recovery_passphrase_comes_from_standard_input(layout, tmp_path):
    out = tmp_path / "out"
    done = run(CLI, "build", layout, "-o", out, "--key-out", tmp_path / "key", "--recovery-file", "-", input=RECOVERY)
    assert done.returncode == 0, done
    done = run(CLI, "verify", out, "--key-file", "/dev/stdin", input=RECOVERY)
    assert done.returncode == 0, done
    assert b"every folder and file lies where it may" in done.stdout


def test_repeatable_with_a_recovery_passphrase(layout, tmp_path):
    recovery, key = tmp_path / "recovery", tmp_path / "key"
    recovery.write_bytes(RECOVERY)
    key.write_bytes(b"0123456789abcdefghijklmnopqrstuv")
    digests = set()
    for name in ("one", "two"):
        done = run(CLI, "build", layout, "-o", tmp_path / name, "--key-from", key, "--recovery-file", recovery, "--json")
        assert done.returncode == 0, done
        digests.add(json.loads(done.stdout)["image_digest"])
        assert run(CLI, "verify", tmp_path / name, "--key-file", recovery).returncode == 0
    assert len(digests) == 1


@pytest.mark.parametrize("size", ["", "64Q", "M", "-1M", "1.5G", "99999999999999T", "4K", "2T"])
def test_size_that_is_none_is_named(size, layout, tmp_path):
    done = run(CLI, "build", layout, "-o", tmp_path / "out", "--key-out", tmp_path / "key", f"--scratch={size}", "--json")
    if size:
        assert json.loads(done.stdout)["error"]["code"] == "invalid_argument", done
        assert not (tmp_path / "out").exists()


def test_tree_shows_parts_and_what_the_host_learns(image):
    shown = run(CLI, "inspect", image).stdout.decode()
    for word in ("confidential image", "workload digest", "key slot 0: pbkdf2-sha256, 1000 rounds", "aes-xts-plain64",
                 "root hash", "KRUN footer", "the guest's memory", "does not learn names"):
        assert word in shown, shown
    assert all(line.isprintable() for line in shown.splitlines()), shown


def test_disk_of_another_tool_is_shown_and_not_launched(tmp_path, key_file):
    disk = tmp_path / "disk.img"
    disk.write_bytes(bytes(20 << 20))
    run("cryptsetup", "luksFormat", "-q", "--type", "luks1", "--pbkdf-force-iterations", "1000", "--key-file", key_file, disk, check=True)
    shown = run(CLI, "inspect", disk).stdout.decode()
    assert "disk image" in shown and "LUKS1" in shown and "can change the disk unnoticed" in shown, shown
    done = json.loads(run(CLI, "inspect", disk, "--json").stdout)
    assert (done["kind"], done["luks"]["version"], done["manifest"]) == ("disk", 1, "")
