"""Runs the kinds of tests and prints what each came to; the last line is the count.

Called by scripts/test. A step is a command that leaves JUnit XML files in a folder; skips are compared with the
committed list tests/expected_skips.txt, because skipping in silence is how tests of KVM rot.
"""

import concurrent.futures
import fnmatch
import json
import os
import pathlib
import shutil
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ElementTree

SOURCE = pathlib.Path(__file__).resolve().parent.parent
RESULTS = SOURCE / "build" / "test-results"
PYTHON = sys.executable


# What has threads of its own.
TSAN_TESTS = ["base_test", "memory_test", "vcpu_test", "virtio_test", "machine_parts_test", "fake_kvm_test", "attest_exchange_test",
              "launch_tee_test"]


REPORTING = threading.Lock()  # the lines of one step stay together


class Count:
    def __init__(self):
        self.passed, self.failed, self.skipped = 0, [], {}

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped.update(other.skipped)


def count_xml(path, into):
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name')}"
        skipped = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None or case.get("status") == "fail":
            into.failed.append(name)
        elif skipped is not None or case.get("result") == "skipped" or case.get("status") in ("notrun", "disabled"):
            into.skipped[name] = (skipped.get("message") or skipped.text or "") if skipped is not None else ""
        else:
            into.passed += 1


def run(title, command, folder, **environment):
    """Runs one step; returns (exit status, seconds)."""
    folder.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    print(f"== {title}", flush=True)
    with open(folder / "output.log", "wb") as log:
        status = subprocess.run(command, cwd=SOURCE, stdout=log, stderr=subprocess.STDOUT,
                                env={**os.environ, **environment}).returncode
    return status, time.monotonic() - start


def ctest(preset, labels, names=".*"):
    """GoogleTest programs write their own XML (each case counts); other tests count once, from ctest's XML."""
    folder = RESULTS / f"ctest-{preset}-{labels.replace('|', '+')}"
    cases = folder / "cases"
    status, seconds = run(
        f"ctest {preset}: {labels}",
        ["ctest", "--test-dir", f"build/{preset}", "-L", f"^({labels})$", "-R", f"^({names})$", "-j2", "--output-on-failure", "--timeout", "600",
         "--output-junit", str(folder / "ctest.xml")],
        folder, GTEST_OUTPUT=f"xml:{cases}/", ASAN_OPTIONS="detect_leaks=1")
    count = Count()
    finished = set()
    for path in sorted(cases.glob("*.xml")) if cases.exists() else []:
        count_xml(path, count)
        finished.add(path.stem)
    for case in ElementTree.parse(folder / "ctest.xml").getroot().iter("testcase"):
        name = case.get("name")
        if case.get("status") == "fail" and not any(name in failed for failed in count.failed):
            count.failed.append(f"{preset}.{name}")
        elif case.get("status") == "run" and name not in finished:
            count.passed += 1
        elif case.get("status") not in ("run", "fail"):
            count.skipped[name] = case.get("status")
    return status, seconds, count, folder


def pytest(name, *arguments, host=False):
    folder = RESULTS / f"pytest-{name}"
    folder.mkdir(parents=True, exist_ok=True)
    command = [PYTHON, "-m", "pytest", "-p", "no:cacheprovider", "-ra", f"--junitxml={folder}/pytest.xml", *arguments]
    if host:
        command = ["scripts/on-kvm-host", "--share", str(folder), "--", *command]
    status, seconds = run(f"pytest {name}", command, folder, LAB_TIME_LIMIT_S="1800")  # many guests, and builds beside them
    count = Count()
    if (folder / "pytest.xml").exists():
        count_xml(folder / "pytest.xml", count)
    if status != 0 and not count.failed:
        count.failed.append(f"pytest {name} (exit status {status})")
    return status, seconds, count, folder


def build(preset, *targets):
    start = time.monotonic()
    print(f"== build {preset}", flush=True)
    subprocess.run(["scripts/build", preset, *targets], cwd=SOURCE, check=True)
    print(f"   build {preset}: {time.monotonic() - start:.0f} s", flush=True)


def report(step, total):
    status, seconds, count, folder = step
    total.add(count)
    print(f"   {folder.name}: {count.passed} passed, {len(count.failed)} failed, {len(count.skipped)} skipped, {seconds:.0f} s", flush=True)
    for name in count.failed:
        print(f"   FAILED {name}")
    if count.failed or status != 0:
        print("".join(f"   | {line}\n" for line in (folder / "output.log").read_text(errors="replace").splitlines()[-80:]))
        if not count.failed:
            total.failed.append(folder.name)


def report_all(steps, total, niceness=0):
    os.nice(niceness)  # of this thread alone, and of what it starts: guests have time limits, compilers have none
    for step in steps:
        with REPORTING:
            report(step, total)


def unexpected_skips(skipped):
    listed = [line.split("#")[0].strip() for line in (SOURCE / "tests/expected_skips.txt").read_text().splitlines()]
    listed = [line for line in listed if line]
    return [name for name in skipped if not any(fnmatch.fnmatch(name, pattern) for pattern in listed)]


def first_steps():
    build("dev")
    yield ctest("dev", "unit|fake-kvm|kvm|image|attest|fuzz-regress|abi|example|check")
    build_python()  # guests and host tests both have a script that imports it


def host_steps():
    yield pytest("checks", "tests/checks")
    yield pytest("python", "tests/python", "tests/bindings")
    build("asan", "test_programs", "attest_wire_server")
    yield ctest("asan", "unit|fake-kvm|image|attest|fuzz-regress")
    build("tsan", *TSAN_TESTS)
    yield ctest("tsan", "unit|fake-kvm|attest", names="|".join(TSAN_TESTS))


def guest_steps(level):
    yield script("e2e prepare", PYTHON, "tests/e2e/prepare.py", "build/e2e")
    yield pytest("e2e", "tests/e2e", host=True)
    if level == "full":
        yield script("demo", "scripts/demo")
        yield script("demo nginx", "scripts/demo", "--workload", "nginx")


def settings_of(preset):
    """For pip: the preset's variables."""
    presets = {each["name"]: each for each in json.loads((SOURCE / "CMakePresets.json").read_text())["configurePresets"]}
    return ["--config-settings=" + ("cmake.build-type" if name == "CMAKE_BUILD_TYPE" else f"cmake.define.{name}") + f"={value}"
            for name, value in presets[preset]["cacheVariables"].items()]


def build_python():
    """The package as a user would install it, into the tests' own environment, but with the flags of the dev build:
    ccache has the components then, and a Release of them would take ten minutes."""
    start = time.monotonic()
    print("== pip install .", flush=True)
    log = RESULTS / "pip.log"
    with open(log, "wb") as out:
        status = subprocess.run([PYTHON, "-m", "pip", "install", "--disable-pip-version-check", *settings_of("dev"), "."],
                                cwd=SOURCE, stdout=out, stderr=subprocess.STDOUT,
                                env={**os.environ, "CC": "cc", "CXX": "c++"}).returncode  # by the names that CMake takes
    if status != 0:
        sys.exit(log.read_text(errors="replace")[-4000:] + "\npip install . failed")
    print(f"   pip install .: {time.monotonic() - start:.0f} s", flush=True)


def script(title, *command):
    folder = RESULTS / title.replace(" ", "-")
    status, seconds = run(title, list(command), folder)
    count = Count()
    if status == 0:
        count.passed += 1
    else:
        count.failed.append(title)
    return status, seconds, count, folder


def main(level):
    if level == "full":
        os.environ["BARTIZAN_TEST_FULL"] = "1"  # what takes long
    shutil.rmtree(RESULTS, ignore_errors=True)
    RESULTS.mkdir(parents=True)
    total = Count()
    report_all(first_steps(), total)
    # The lab is one thread that emulates: it leaves the other processors to what needs no guest.
    with concurrent.futures.ThreadPoolExecutor() as pool:
        host = pool.submit(report_all, host_steps(), total, niceness=10)
        guest = pool.submit(report_all, guest_steps(level), total)
    host.result(), guest.result()
    for name, reason in sorted(total.skipped.items()):
        print(f"skipped {name}: {reason}")
    for name in unexpected_skips(total.skipped):
        print(f"not in tests/expected_skips.txt: {name}")
        total.failed.append(f"skip of {name}")
    print(f"{total.passed} passed, {len(total.failed)} failed, {len(total.skipped)} skipped")
    return 1 if total.failed else 0


sys.exit(main(sys.argv[1]))
