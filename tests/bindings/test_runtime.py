"""bartizan-runtime as a program, with a script in place of the stock runtime: what it says, and what it hands on whatever
its own configuration has become. Containers are started in tests/e2e/test_podman.py."""

import json
import resource
import signal
import subprocess

import pytest
from bartizan_fixtures import BUILD

RUNTIME = BUILD / "src/cli/bartizan-runtime"
CONFIG = {"ociVersion": "1.0.2", "root": {"path": "rootfs"},
          "process": {"user": {"uid": 0, "gid": 0}, "args": ["/entrypoint"], "env": [], "cwd": "/"},
          "annotations": {}, "linux": {"namespaces": [{"type": "pid"}]}}


@pytest.fixture
def stock(tmp_path):
    """A stock runtime that writes down what it was called with."""
    path = tmp_path / "stock"
    path.write_text(f"#!/bin/sh\necho \"$@\" >> {tmp_path}/called\ngrep SigIgn /proc/self/status > {tmp_path}/signals\n"
                    f"grep SigBlk /proc/self/status >> {tmp_path}/signals\n")
    path.chmod(0o755)
    return path


def run(stock, *words, **options):
    return subprocess.run([RUNTIME, "--oci-runtime", stock, *map(str, words)], capture_output=True, text=True, timeout=60, **options)


def calls(tmp_path):
    path = tmp_path / "called"
    return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def confidential(tmp_path, unpacked):
    bundle = tmp_path / "container"
    bundle.mkdir()
    (bundle / "config.json").write_text(json.dumps({**CONFIG, "root": {"path": str(unpacked)}}))
    return bundle


def test_what_runs_can_be_ended_whatever_the_configuration_is(stock, tmp_path):
    broken, missing = tmp_path / "broken.json", tmp_path / "missing.json"
    broken.write_text("{")
    for file, words in ((broken, f"configuration {broken}: not valid JSON"), (missing, f"configuration {missing}: no such file")):
        for command in (["state", "one"], ["kill", "one", "KILL"], ["delete", "--force", "one"], ["ps", "one"]):
            assert run(stock, "--config", file, *command).returncode == 0
            assert calls(tmp_path)[-1] == " ".join(command)
        for command in (["create", "--bundle", tmp_path, "one"], ["exec", "one", "sh"]):
            before = calls(tmp_path)
            done = run(stock, "--config", file, *command)
            assert done.returncode == 1 and f"bartizan-runtime: {command[0]}: {words}" in done.stderr, done
            assert calls(tmp_path) == before


def test_check_tells_a_broken_configuration_from_a_missing_one(stock, tmp_path):
    broken = tmp_path / "broken.json"
    broken.write_text('{"tee": "sgx"}')
    assert f"WRONG    configuration {broken}: tee: " in run(stock, "--config", broken, "check").stdout
    assert f"MISSING  configuration {tmp_path}/none: no such file" in run(stock, "--config", tmp_path / "none", "check").stdout
    bundle = tmp_path / "share/bundle"
    good = tmp_path / "good.json"
    good.write_text(json.dumps({"bundle": str(bundle)}))
    assert f"`mkdir -p {bundle.parent} && bartizan bundle create --output {bundle}`" in run(stock, "--config", good, "check").stdout


def test_no_word_twice(stock, confidential, tmp_path):
    for words in (["install", "--all"], ["check", "--all"]):
        assert run(stock, *words).stderr == f"bartizan-runtime: {words[0]}: --all: the command takes " + (
            "--dry-run and --root FOLDER\n" if words[0] == "install" else "no options\n")
    state = tmp_path / "state"
    state.write_text(f"#!/bin/sh\necho '{json.dumps({'bundle': str(confidential)})}'\n")
    state.chmod(0o755)
    (confidential / "config.json").write_text(json.dumps({"process": {"args": ["/run/.bartizan/ld.so"]}}))
    done = run(state, "exec", "one", "sh")
    assert done.stderr.startswith("bartizan-runtime: exec: container one is a confidential VM: "), done


def test_a_limit_of_file_sizes_is_an_error_and_not_inherited(stock, confidential, tmp_path):
    """SIGXFSZ would end the runtime; the stock runtime has it as ever."""
    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (16, 16))

    settings = tmp_path / "runtime.json"
    settings.write_text(json.dumps({"annotations": ["tee"]}))
    done = run(stock, "--config", settings, "--log", tmp_path / "log", "create", "--bundle", confidential, "one", preexec_fn=small_files)
    assert done.returncode == 1 and done.stderr.startswith("bartizan-runtime: create: "), done
    assert run(stock, "state", "one").returncode == 0
    bit = 1 << (signal.SIGXFSZ - 1)
    masks = [int(line.split()[1], 16) for line in (tmp_path / "signals").read_text().splitlines()]
    assert len(masks) == 2 and not any(mask & bit for mask in masks), masks
