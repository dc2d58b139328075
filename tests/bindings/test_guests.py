"""Whole machines through C++, C and Python on libfake_kvm.so (tests/fakes/kvm_preload.cpp): how they are ended."""

import contextlib
import errno
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import bartizan
import pytest
from bartizan_fixtures import BUILD, KEY, certificate

HERE = pathlib.Path(__file__).parent
DRIVERS = {
    "c++": [BUILD / "tests/bindings/bindings_guests_cpp"],
    "c": [BUILD / "tests/bindings/bindings_guests_c"],
    "python": [sys.executable, HERE / "guests.py"],
}
TIME_LIMIT_S = 60
ENDS_BY_ITSELF = {"FAKE_KVM_EXIT": "1500:7"}
# case -> (environment, what every interface says)
CASES = {
    "close": ({}, "stopped by request at stage launch, within a second\n"),
    "fork": (ENDS_BY_ITSELF, "child 0, guest exited with status 7\n"),
    "stop-before": ({}, "cancelled\ninvalid_state\n"),
    # It would end while it is paused. The caller gave the key, so that nobody attests.
    "events": ({"FAKE_KVM_EXIT": "800:7"}, "paused: timed_out\nexited with status 7\nevents: ready exited -1\n"
               "attested: invalid_state\npause: invalid_state\ncalled: ready exited\n"),
    "size": ({}, f"{256 << 20}\n{512 << 20}\n"),
}
# Of one interface alone.
MORE = {
    ("c++", "stop-during"): ({}, "stopped by request at stage launch\n"),
    ("c++", "destroy-in-callback"): ({"FAKE_KVM_EXIT": "60000:7"}, "invalid_state\nno thread is left\n"),
    ("python", "collected"): ({"FAKE_KVM_EXIT": "60000:7"}, "callback returned: True\nthreads: 1\n"),
    ("python", "close-in-callback"): ({"FAKE_KVM_EXIT": "60000:7"}, "closed: True\n"),
    ("python", "wait-limit"): ({}, "guest still runs after 0.35 s\nguest is not ready after 0.25 s\n"),
    ("python", "cycles"): ({"FAKE_KVM_EXIT": "20:7"}, "{'exited with status 7'} True\n"),
    ("python", "exit"): ({}, "running\n"),
    ("python", "await"): (ENDS_BY_ITSELF, "cancelled after a while, 1 thread more or less: False\nexited with status 7\nexited with status 7\n"),
    ("python", "await-close"): ({}, "stopped by request at stage launch\n"),
    ("python", "await-unstarted"): ({}, "InvalidState\n"),
}


@pytest.fixture(scope="session")
def small_image(folder, layout):
    """An image whose size is not the default."""
    bartizan.build_image(layout, folder / "small", workload_id="small", ram_mib=256, disk_key=KEY,
                         broker_url="https://10.0.2.2:8443", broker_ca_pem=certificate(folder / "small-broker"))
    return folder / "small"


def run(interface, case, more, image, bundle, key_file):
    environment = {**os.environ, "LD_PRELOAD": str(BUILD / "tests/fakes/libfake_kvm.so"), **more}
    command = [*DRIVERS[interface], case, image, bundle, key_file]
    return subprocess.run(list(map(str, command)), env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=TIME_LIMIT_S)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("interface", DRIVERS)
def test_guest_can_be_ended(interface, case, small_image, bundle, key_file):
    more, expected = CASES[case]
    done = run(interface, case, more, small_image, bundle, key_file)
    assert (done.stdout, done.returncode) == (expected, 0), done


@pytest.mark.parametrize("interface", DRIVERS)
def test_a_bundle_in_memory_needs_its_files_no_more(interface, small_image, bundle, key_file, tmp_path):
    copy = tmp_path / "bundle"
    shutil.copytree(bundle, copy)
    done = run(interface, "loaded", {"FAKE_KVM_EXIT": "100:7"}, small_image, copy, key_file)
    assert (done.stdout, done.returncode) == ("not_found\n7 7\n", 0), done
    assert not copy.exists()


def test_one_bundle_and_not_two(bundle):
    with pytest.raises(bartizan.InvalidArgument, match="loaded_bundle .*: give one of them"):
        bartizan.Context(bundle=bundle, loaded_bundle=bartizan.LoadedBundle(bundle))


@pytest.mark.parametrize("interface, case", MORE)
def test_what_one_interface_has(interface, case, small_image, bundle, key_file):
    more, expected = MORE[interface, case]
    done = run(interface, case, more, small_image, bundle, key_file)
    assert (done.stdout, done.returncode, done.stderr) == (expected, 0, ""), done


def events_of_run(small_image, bundle, key_file, reading):
    """`bartizan run --event-fd`: its result, and what the other end of a pipe got."""
    read, write = os.pipe()
    environment = {**os.environ, "LD_PRELOAD": str(BUILD / "tests/fakes/libfake_kvm.so"), "FAKE_KVM_EXIT": "100:7"}
    command = [BUILD / "src/cli/bartizan", "run", small_image, "--bundle", bundle, "--key-file", key_file, "--kvm-device", "/fake/kvm",
               "--event-fd", write if reading else read]
    done = subprocess.run(list(map(str, command)), env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=TIME_LIMIT_S, pass_fds=[read, write])
    os.close(write)
    with open(read) as pipe:
        return done, [json.loads(line)["event"] for line in pipe]


def test_command_line_writes_events(small_image, bundle, key_file):
    done, events = events_of_run(small_image, bundle, key_file, reading=True)
    assert (done.returncode, events) == (7, ["ready", "exited"]), done


def test_command_line_wants_a_descriptor_to_write_to(small_image, bundle, key_file):
    done, events = events_of_run(small_image, bundle, key_file, reading=False)
    assert (done.returncode, events) == (2, []) and "open for writing" in done.stderr, done


@pytest.mark.parametrize("closed, status, words", [("<&-", 7, ""), (">&-", 2, "standard output is closed")])
def test_closed_stream_of_the_command_line(small_image, bundle, key_file, closed, status, words):
    environment = {**os.environ, "LD_PRELOAD": str(BUILD / "tests/fakes/libfake_kvm.so"), "FAKE_KVM_EXIT": "100:7"}
    command = ["sh", "-c", f'"$@" {closed}', "sh", BUILD / "src/cli/bartizan", "run", small_image, "--bundle", bundle, "--key-file",
               key_file, "--kvm-device", "/fake/kvm"]
    done = subprocess.run(list(map(str, command)), env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=TIME_LIMIT_S)
    assert done.returncode == status and words in done.stderr and "_fd" not in done.stderr, done


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_reader_that_pauses_holds_up_no_stop(small_image, bundle, key_file, number):
    """Standard error is full: the second signal, a second later, ends the guest all the same."""
    read, write = os.pipe()
    environment = {**os.environ, "LD_PRELOAD": str(BUILD / "tests/fakes/libfake_kvm.so"), "FAKE_KVM_EXIT": "60000:7"}
    command = [BUILD / "src/cli/bartizan", "run", small_image, "--bundle", bundle, "--key-file", key_file, "--kvm-device", "/fake/kvm",
               "--event-fd", 1]
    with subprocess.Popen(list(map(str, command)), env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=write) as process:
        assert b"ready" in process.stdout.readline()
        fill(write)
        process.send_signal(number)
        time.sleep(1.2)
        process.send_signal(number)
        assert process.wait(TIME_LIMIT_S) == 125  # it had to be stopped
    os.close(read)
    os.close(write)


def fill(pipe):
    with contextlib.suppress(BlockingIOError):
        os.set_blocking(pipe, False)
        while True:
            os.write(pipe, b"x" * 4096)
    os.set_blocking(pipe, True)


def test_limit_of_file_sizes_is_an_error(layout, tmp_path):
    """RLIMIT_FSIZE: the kernel's signal for it would end the process. As an embedder without the command line's handler."""
    program = (f"import bartizan\ntry: bartizan.build_image({str(layout)!r}, {str(tmp_path / 'out')!r}, workload_id='x', disk_key={KEY!r})\n"
               "except bartizan.ResourceExhausted as error: print('refused', error.os_errno)")
    done = subprocess.run(["prlimit", "--fsize=100000", sys.executable, "-c", program], capture_output=True, text=True,
                          timeout=TIME_LIMIT_S)
    assert done.stdout == f"refused {errno.EFBIG}\n", done
    assert not list(tmp_path.iterdir())
