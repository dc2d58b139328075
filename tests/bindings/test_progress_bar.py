"""The progress bar of the command line: bytes, rate and remaining time, on a terminal only."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import threading

import pytest
import tiny_oci
from bartizan_fixtures import BUILD

CLI = BUILD / "src/cli/bartizan"
MIB = 1 << 20


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A layout whose one file takes long enough to be watched."""
    saved = dict(tiny_oci.FILES)
    tiny_oci.FILES["data/large"] = os.urandom(MIB) * 96
    try:
        return tiny_oci.make_layout(tmp_path_factory.mktemp("large") / "oci")
    finally:
        tiny_oci.FILES.clear()
        tiny_oci.FILES.update(saved)


def build_on_terminal(layout, output, key, columns, *more):
    """What a build draws on a terminal that is so wide."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen([CLI, "build", layout, "-o", output, "--key-out", key, *more], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    drawn = bytearray()

    def read():
        try:
            while chunk := os.read(ours, 65536):
                drawn.extend(chunk)
        except OSError:  # the other end is closed
            pass

    reader = threading.Thread(target=read)
    reader.start()
    process.communicate(timeout=120)
    reader.join(60)
    os.close(ours)
    assert process.returncode == 0
    return drawn.decode()


def test_bar_tells_bytes_rate_and_time_left(large, tmp_path):
    drawn = build_on_terminal(large, tmp_path / "out", tmp_path / "key", 100)
    size = r"\d+(\.\d)? ([KMGT]i)?B"
    frames = [frame for frame in drawn.split("\r\033[K") if frame]
    full = [frame for frame in frames if re.fullmatch(rf"\w+ +\[#*\.*\] +\d+% {size} of {size}, {size}/s, \d+:\d\d left", frame)]
    assert full, frames
    assert any(frame.startswith("layers ") for frame in frames) and any(frame.startswith("image ") for frame in frames)
    assert all(len(frame) < 100 for frame in frames)
    assert drawn.endswith("\r\033[K")  # nothing of it stays


def test_narrow_terminal_is_never_wrapped(large, tmp_path):
    drawn = build_on_terminal(large, tmp_path / "out", tmp_path / "key", 24)
    frames = [frame for frame in drawn.split("\r\033[K") if frame]
    assert frames and all(len(frame) < 24 for frame in frames)


def test_no_bar_without_a_terminal_or_for_a_program(large, tmp_path):
    done = subprocess.run([CLI, "build", large, "-o", tmp_path / "a", "--key-out", tmp_path / "a.key"], stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=120, check=True)
    assert done.stderr == b""
    assert build_on_terminal(large, tmp_path / "b", tmp_path / "b.key", 100, "--json") == ""
