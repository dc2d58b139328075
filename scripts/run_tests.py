"""Runs kinds of tests, and prints what each came to and how long it took; the last line is the count.

Called by scripts/test. A step is a command that leaves JUnit XML files in a folder. Skips are compared with the
committed list tests/expected_skips.txt, and times with the budgets in tests/README.md: a test that skips in silence
or grows slow in silence is not noticed otherwise.
"""

import argparse
import concurrent.futures
import fnmatch
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ElementTree

SOURCE = pathlib.Path(__file__).resolve().parent.parent
RESULTS = SOURCE / "build" / "test-results"
PYTHON = sys.executable

# Kind -> the preset in which its programs are built and run. Each kind is a ctest label (a label of bartizan_test())
# and the target tests_KIND, which builds what it needs.
CTEST = {"unit": "asan", "fake_kvm": "asan", "image": "asan", "guest": "asan", "attest": "asan", "fuzz": "asan",
         "unsanitized": "dev", "kvm": "dev", "abi": "dev", "differential": "dev", "threads": "tsan"}
SOAK = {"soak": "dev"}  # as CTEST, for scripts/test soak alone
# Kind -> its pytest folder. The targets tests_KIND of the dev preset build what the folder runs.
PYTEST = {"checks": "tests/checks", "python": "tests/python", "bindings": "tests/bindings"}
GUESTS = ("e2e", "demo")
KINDS = (*CTEST, *PYTEST, *GUESTS)
LAB_STOOD_STILL = 124  # tests/lab/README.md
NEEDS_PACKAGE = ("python", "bindings", "e2e")  # the installed Python package

LEVELS = {
    "quick": "every kind but the demo: before a commit",
    "full": "every kind: before a release, and in CI",
    "soak": "what takes hours: large images, two million names, a broker killed 200 times, fuzzing with libFuzzer",
}
SOAK_FUZZ_SECONDS = 300  # for each target

REPORTING = threading.Lock()  # the lines of one step stay together


class Count:
    def __init__(self):
        self.passed, self.failed, self.skipped = 0, [], {}

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped.update(other.skipped)


class Run:
    """One call of scripts/test: what has been counted so far, and the seconds of each step."""

    def __init__(self, level, name=None):
        self.level, self.name = level, name
        self.total = Count()
        self.seconds = {}
        self.start = time.monotonic()

    def build(self, preset, *targets):
        with self.timed(f"build {preset}"):
            subprocess.run(["scripts/build", preset, *targets], cwd=SOURCE, check=True)

    def timed(self, step):
        return Timed(self, step)

    def report(self, step):
        with REPORTING:
            self.total.add(step.count)
            self.seconds[step.title] = step.seconds
            print(f"   {step.title}: {step.count.passed} passed, {len(step.count.failed)} failed, "
                  f"{len(step.count.skipped)} skipped, {step.seconds:.0f} s", flush=True)
            for name in step.count.failed:
                print(f"   FAILED {name}")
            if step.count.failed or step.status != 0:
                log = (step.folder / "output.log").read_text(errors="replace")
                print("".join(f"   | {line}\n" for line in log.splitlines()[-80:]))
                if not step.count.failed:
                    self.total.failed.append(step.title)

    def report_all(self, steps, niceness=0):
        os.nice(niceness)  # of this thread alone, and of what it starts: guests have time limits, compilers have none
        for step in steps:
            self.report(step)


class Timed:
    """Prints and keeps the seconds of what is no test: builds."""

    def __init__(self, run, step):
        self.run, self.step = run, step

    def __enter__(self):
        self.start = time.monotonic()
        print(f"== {self.step}", flush=True)

    def __exit__(self, kind, *_):
        if kind is None:
            seconds = time.monotonic() - self.start
            self.run.seconds[self.step] = self.run.seconds.get(self.step, 0) + seconds
            print(f"   {self.step}: {seconds:.0f} s", flush=True)


class Step:
    """A command that has run: its exit status, its seconds, what it counted, and the folder with its output."""

    def __init__(self, title, command, **environment):
        self.title, self.folder, self.count = title, RESULTS / title.replace(" ", "-"), Count()
        self.folder.mkdir(parents=True, exist_ok=True)
        start = time.monotonic()
        print(f"== {title}", flush=True)
        with open(self.folder / "output.log", "wb") as log:
            self.status = subprocess.run(command, cwd=SOURCE, stdout=log, stderr=subprocess.STDOUT,
                                         env={**os.environ, **environment}).returncode
        self.seconds = time.monotonic() - start


def count_xml(path, into):
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name')}"
        skipped = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None or case.get("status") == "fail":
            into.failed.append(name)
        elif skipped is not None or case.get("result") in ("skipped", "suppressed") or case.get("status") in ("notrun", "disabled"):
            into.skipped[name] = (skipped.get("message") or skipped.text or "") if skipped is not None else ""
        else:
            into.passed += 1


def ctest(kind, names=None, **environment):
    """GoogleTest programs write their own XML (each case counts); other tests count once, from ctest's XML."""
    preset = {**CTEST, **SOAK}[kind]
    folder = RESULTS / kind
    cases = folder / "cases"
    chosen = ["-R", f"^({'|'.join(names)})$"] if names else []
    step = Step(kind, ["ctest", "--test-dir", f"build/{preset}", "-L", f"^{kind}$", *chosen, "-j2", "--output-on-failure",
                       "--timeout", "600", "--no-tests=error", "--output-junit", str(folder / "ctest.xml")],
                GTEST_OUTPUT=f"xml:{cases}/", ASAN_OPTIONS="detect_leaks=1", **environment)
    finished = set()
    for path in sorted(cases.glob("*.xml")) if cases.exists() else []:
        count_xml(path, step.count)
        finished.add(path.stem)
    if not (folder / "ctest.xml").exists():
        return step
    for case in ElementTree.parse(folder / "ctest.xml").getroot().iter("testcase"):
        name = case.get("name")
        if case.get("status") == "fail" and not any(name in failed for failed in step.count.failed):
            step.count.failed.append(f"{preset}.{name}")
        elif case.get("status") == "run" and name not in finished:
            step.count.passed += 1
        elif case.get("status") not in ("run", "fail"):
            step.count.skipped[name] = case.get("status")
    return step


def pytest(kind, folder, *arguments, host=False):
    results = RESULTS / kind
    results.mkdir(parents=True, exist_ok=True)
    command = [PYTHON, "-m", "pytest", "-p", "no:cacheprovider", "-ra", f"--junitxml={results}/pytest.xml", folder, *arguments]
    if host:
        command = ["scripts/on-kvm-host", "--share", str(results), "--", *command, "--durations=10"]
    # Many guests, and builds beside them; at soak twice as many.
    limit = "5400" if os.environ.get("BARTIZAN_TEST_LEVEL") == "soak" else "2700"
    step = Step(kind, command, LAB_TIME_LIMIT_S=limit)
    if host and step.status == LAB_STOOD_STILL:
        print(f"   {kind}: the emulator stood still, which no test can help: once more", flush=True)
        step = Step(kind, command, LAB_TIME_LIMIT_S=limit)
    if (results / "pytest.xml").exists():
        count_xml(results / "pytest.xml", step.count)
    if step.status != 0 and not step.count.failed:
        step.count.failed.append(f"pytest {kind} (exit status {step.status})")
    return step


def script(title, *command):
    step = Step(title, list(command))
    if step.status == 0:
        step.count.passed += 1
    else:
        step.count.failed.append(title)
    return step


def settings_of(preset):
    """For pip: the preset's variables."""
    presets = {each["name"]: each for each in json.loads((SOURCE / "CMakePresets.json").read_text())["configurePresets"]}
    return ["--config-settings=" + ("cmake.build-type" if name == "CMAKE_BUILD_TYPE" else f"cmake.define.{name}") + f"={value}"
            for name, value in presets[preset]["cacheVariables"].items()]


def install_package(run):
    """The package as a user would install it, into the tests' own environment, but with the flags of the dev build:
    ccache has the components then, and a Release of them would take ten minutes."""
    with run.timed("pip install"):
        log = RESULTS / "pip.log"
        with open(log, "wb") as out:
            status = subprocess.run([PYTHON, "-m", "pip", "install", "--disable-pip-version-check", *settings_of("dev"), "."],
                                    cwd=SOURCE, stdout=out, stderr=subprocess.STDOUT,
                                    env={**os.environ, "CC": "cc", "CXX": "c++"}).returncode  # by the names that CMake takes
        if status != 0:
            sys.exit(log.read_text(errors="replace")[-4000:] + "\npip install . failed")


def targets_of(preset):
    kinds = [kind for kind in KINDS if CTEST.get(kind, "dev") == preset]
    return [f"tests_{kind}" for kind in kinds]


def guest_steps(level):
    yield script("e2e prepare", PYTHON, "tests/e2e/prepare.py", "build/e2e")
    yield pytest("e2e", "tests/e2e", host=True)
    if level == "full":
        # As on a fresh machine, where there is no developers' build to use.
        yield script("demo", "env", "BARTIZAN_PRESET=demo", "scripts/demo")


def host_steps(run):
    yield from (pytest(kind, folder) for kind, folder in PYTEST.items())
    for preset in ("dev", "asan", "tsan"):
        if preset != "dev":
            run.build(preset, *targets_of(preset))
        yield from (ctest(kind) for kind, its in CTEST.items() if its == preset)


def run_level(run):
    run.build("dev", *targets_of("dev"))
    install_package(run)  # guests and host tests both have a script that imports it
    # The lab is one thread that emulates: it leaves the other processors to what needs no guest.
    with concurrent.futures.ThreadPoolExecutor() as pool:
        host = pool.submit(run.report_all, host_steps(run), niceness=19)
        guest = pool.submit(run.report_all, guest_steps(run.level))
    host.result(), guest.result()


def soak_steps(run):
    run.build("dev", "tests_soak", "tests_checks", "tests_e2e", "bartizan_cli")
    install_package(run)
    yield ctest("soak")
    yield pytest("checks", PYTEST["checks"])
    yield pytest("broker kill", "tests/bindings/test_broker_kill.py")
    yield script("e2e prepare", PYTHON, "tests/e2e/prepare.py", "build/e2e")
    yield pytest("e2e", "tests/e2e", host=True)
    yield script("demo nginx", "scripts/demo", "--workload", "nginx")
    run.build("fuzz", "tests_fuzz")
    for target in sorted(path.name for path in (SOURCE / "build/fuzz/tests/fuzz").glob("*_fuzz")):
        corpus = RESULTS / "corpus" / target  # what is found stays out of the source tree
        corpus.mkdir(parents=True)
        yield script(f"fuzz {target}", f"build/fuzz/tests/fuzz/{target}", f"-max_total_time={SOAK_FUZZ_SECONDS}",
                     f"-artifact_prefix={RESULTS}/fuzz-{target}/", str(corpus), f"tests/fuzz/corpus/{target}")


def programs_with(kind, pattern):
    """The test programs of a kind with a suite that the GoogleTest filter `pattern` names, by their sources."""
    wanted = [each.split(".")[0].split("/")[-1] for each in pattern.split("-")[0].split(":")]
    programs = json.loads((SOURCE / "build" / CTEST[kind] / "tests.json").read_text())
    found = []
    for program in programs:
        text = "".join(pathlib.Path(path).read_text() for path in program["sources"])
        suites = set(re.findall(r"^\s*TEST(?:_F|_P)?\(\s*(\w+)", text, re.M))
        if kind in program["labels"] and any(fnmatch.fnmatch(suite, want) for suite in suites for want in wanted):
            found.append(program["name"])
    return found


def ctest_kind(run, kind):
    """One kind of ctest's. NAME with a dot is a GoogleTest filter; without one it is the name of a test program."""
    if not run.name:
        run.build(CTEST[kind], f"tests_{kind}")
        return ctest(kind)
    if "." not in run.name:
        run.build(CTEST[kind], run.name if not run.name.startswith(("abi_", "measure_")) else f"tests_{kind}")
        return ctest(kind, [re.escape(run.name)])
    subprocess.run(["scripts/build", CTEST[kind], "--configure"], cwd=SOURCE, check=True)
    programs = programs_with(kind, run.name)
    if not programs:
        sys.exit(f"scripts/test {kind}: no test program has a suite that \"{run.name}\" matches")
    run.build(CTEST[kind], *programs)
    return ctest(kind, programs, GTEST_FILTER=run.name)


def kind_steps(run, kind):
    chosen = ["-k", run.name] if run.name else []
    if kind in CTEST:
        yield ctest_kind(run, kind)
        return
    run.build("dev", f"tests_{kind}")
    if kind in NEEDS_PACKAGE:
        install_package(run)
    if kind in PYTEST:
        yield pytest(kind, PYTEST[kind], *chosen)
    elif kind == "e2e":
        yield script("e2e prepare", PYTHON, "tests/e2e/prepare.py", "build/e2e")
        yield pytest(kind, "tests/e2e", *chosen, host=True)
    else:
        yield script("demo", "scripts/demo", *(["--workload", run.name] if run.name else []))


def update_golden(run):
    """Writes the golden files anew from what the code does now; to be read in the diff."""
    os.environ["BARTIZAN_UPDATE_GOLDEN"] = "1"
    run.build("asan", "tests_fake_kvm")
    yield ctest("fake_kvm")
    run.build("dev", "tests_abi")
    yield script("abi baseline", "tests/abi/baseline.sh", "--update", "build/dev")
    subprocess.run(["git", "--no-pager", "diff", "--stat", "--", "tests/fake_kvm/golden", "tests/abi"], cwd=SOURCE)


def unexpected_skips(skipped):
    listed = [line.split("#")[0].strip() for line in (SOURCE / "tests/expected_skips.txt").read_text().splitlines()]
    listed = [line for line in listed if line]
    return [name for name in skipped if not any(fnmatch.fnmatch(name, pattern) for pattern in listed)]


def budgets(level):
    """Step -> seconds, from the table "Time budget" in tests/README.md: | step | quick | full |."""
    column = 2 if level == "quick" else 3
    rows = [line.split("|") for line in (SOURCE / "tests/README.md").read_text().splitlines() if line.startswith("| ")]
    return {row[1].strip(): int(row[column]) for row in rows if len(row) == 5 and row[column].strip().isdigit()}


def report_times(run):
    run.seconds["total"] = time.monotonic() - run.start
    allowed = budgets(run.level)
    print(f"{'step':<20} {'seconds':>8} {'budget':>8}")
    for step, seconds in run.seconds.items():
        budget = allowed.get(step)
        over = "  warning: over budget" if budget is not None and seconds > budget else ""
        print(f"{step:<20} {seconds:>8.0f} {'' if budget is None else budget:>8}{over}")


def finish(run):
    if run.level:
        report_times(run)
    for name, reason in sorted(run.total.skipped.items()):
        print(f"skipped {name}: {reason}")
    for name in unexpected_skips(run.total.skipped):
        print(f"not in tests/expected_skips.txt: {name}")
        run.total.failed.append(f"skip of {name}")
    print(f"{run.total.passed} passed, {len(run.total.failed)} failed, {len(run.total.skipped)} skipped")
    return 1 if run.total.failed else 0


def arguments():
    listed = "\n".join(f"  {level:<6} {what}" for level, what in LEVELS.items())
    parser = argparse.ArgumentParser(
        prog="scripts/test", formatter_class=argparse.RawDescriptionHelpFormatter,
        description=f"Builds and runs tests; the last line is the count.\n\nlevels:\n{listed}\n\nkinds (tests/README.md):\n  "
                    + " ".join(KINDS),
        epilog="NAME chooses among the tests of a kind: a GoogleTest filter (it has a dot: 'Mmio.*'), else the name of a\n"
               "test program; for checks, python, bindings and e2e an expression for pytest -k; for demo a workload.")
    parser.add_argument("what", nargs="?", default="quick", choices=[*LEVELS, *KINDS], metavar="LEVEL|KIND", help="default: quick")
    parser.add_argument("name", nargs="?", metavar="NAME", help="only these tests of the kind")
    parser.add_argument("--update-golden", action="store_true",
                        help="write the golden files (transcripts of launches, ABI baseline) anew, and show what changed")
    parser.add_argument("--check", action="store_true", help=argparse.SUPPRESS)  # of scripts/test
    chosen = parser.parse_args()
    if chosen.name and chosen.what in LEVELS:
        parser.error(f"{chosen.what} takes no name")
    return chosen


def main():
    chosen = arguments()
    if chosen.check:
        return 0
    run = Run(chosen.what if chosen.what in LEVELS else None, chosen.name)
    shutil.rmtree(RESULTS, ignore_errors=True)
    RESULTS.mkdir(parents=True)
    os.environ["BARTIZAN_TEST_LEVEL"] = run.level or "quick"  # what takes long runs at the higher levels alone
    if chosen.update_golden:
        run.report_all(update_golden(run))
    elif chosen.what == "soak":
        run.report_all(soak_steps(run))
    elif chosen.what in LEVELS:
        run_level(run)
    else:
        run.report_all(kind_steps(run, chosen.what))
    return finish(run)


if __name__ == "__main__":
    sys.exit(main())
