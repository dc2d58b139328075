"""What only the command line has: usage errors, help, one line on stderr, secrets that stay out of it; docs/errors.md."""

import contextlib
import errno
import fcntl
import json
import os
import pty
import pathlib
import re
import resource
import shlex
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import termios
import time

import bartizan
import pytest
from admin_servers import make_certificate
from bartizan_fixtures import BUILD, KEY, SOURCE
from tiny_oci import make_layout

CLI = BUILD / "src/cli/bartizan"
COMMANDS = ["build", "inspect", "verify", "diff", "measure", "bundle", "broker", "register", "unregister", "list", "show", "rotate-key", "expire", "audit", "audit-verify", "token", "evidence", "run", "probe", "up", "doctor"]
MOST_COLUMNS = 100
CA = "some-ca.pem"


def run(*arguments, **options):
    options = {"stdin": subprocess.DEVNULL, **options} if "input" not in options else options
    return subprocess.run([str(CLI), *map(str, arguments)], capture_output=True, text=True, timeout=120, **options)


@pytest.fixture(scope="module")
def arm64(tmp_path_factory):
    return make_layout(tmp_path_factory.mktemp("arm64") / "oci", architecture="arm64")


def several(folder, one):
    """A layout with the images of `one`, twice."""
    shutil.copytree(one, folder)
    index = json.loads((folder / "index.json").read_text())
    (image,) = index["manifests"]
    index["manifests"].append({**image, "annotations": {"org.opencontainers.image.ref.name": "second"}})
    (folder / "index.json").write_text(json.dumps(index))
    return folder


def test_of_several_images_the_next_step_is_named(image, layout, tmp_path):
    ordinary, confidential = several(tmp_path / "ordinary", layout), several(tmp_path / "confidential", image)
    for command, status in (("run", 125), ("inspect", 1), ("verify", 1)):
        assert "an ordinary OCI image, not a confidential one" in run(command, ordinary).stderr
        done = run(command, confidential)
        assert done.returncode == status and "latest, second" in done.stderr and "takes one out" in done.stderr, done
    assert run("inspect", confidential, "--reference", "second").returncode == 0
    build = run("build", ordinary, "-o", tmp_path / "out", "--key-out", tmp_path / "key")
    assert "--reference must choose one of: latest, second" in build.stderr, build


def test_a_tag_behind_a_folder_is_an_option(layout, tmp_path):
    for prefix in ("", "oci:"):
        for command in (["up", f"{prefix}{layout}:v1", "--dry-run"], ["build", f"{prefix}{layout}:v1", "-o", tmp_path / "o", "--key-out", tmp_path / "k"]):
            done = run(*command)
            assert f"write {layout} and --reference v1" in done.stderr, done


@pytest.mark.parametrize("files, words", [
    (["etc/passwd", "bin/sh"], "it looks like a root file system: `umoci` or `podman import` makes an image"),
    (["Dockerfile"], "it looks like a build context: `podman build -t NAME FOLDER` makes an image of it, containers-storage:NAME")])
def test_a_source_that_is_no_image_is_told_apart(tmp_path, files, words):
    for file in files:
        (tmp_path / "source" / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "source" / file).write_text("")
    done = run("build", tmp_path / "source", "-o", tmp_path / "out", "--key-out", tmp_path / "key")
    assert done.returncode == 1 and words in done.stderr, done


def test_a_key_with_a_newline_too_many_is_told(image, bundle, tmp_path):
    for key, told in ((KEY + b"\n\n", True), (b"another key, of the same kind here\n\n", False)):
        (tmp_path / "key").write_bytes(key)
        done = run("run", image, "--bundle", bundle, "--key-file", tmp_path / "key", "--kvm-device", "/nonexistent/kvm")
        assert done.returncode == 125 and "[disk_key]" in done.stderr, done
        assert ("with its final newline removed it opens" in done.stderr) == told, done


def test_an_option_of_a_file_is_named(layout, image, tmp_path):
    """What is not there yet, and who makes it."""
    made = "`bartizan broker --state broker` makes it at its first start"
    build = ["build", layout, "-o", "cc", "--key-out", "key"]
    for command, words in (
            ([*build, "--broker", "https://10.0.2.2", "--broker-ca", "broker/ca.pem"], "--broker-ca: open broker/ca.pem ("),
            ([*build, "--broker", "https://10.0.2.2", "--broker-ca", "broker/ca.pem"], made),
            (["list", "--broker", "https://a", "--ca", "broker/ca.pem", "--token-file", "t"], made),
            ([*build, "--broker", "https://10.0.2.2", "--broker-ca", "/etc/passwd"], "--broker-ca /etc/passwd: no certificate in PEM"),
            (["list", "--broker", "https://a", "--ca", CA, "--token-file", "/dev/null"], "--token-file /dev/null: empty"),
            (["build", layout, "-o", "/nope/cc", "--key-out", "key"], "--output /nope/cc: no folder /nope to make it in"),
            (["build", layout, "-o", "cc", "--key-out", "/nope/key"], "--key-out /nope/key: no folder /nope to make it in"),
            (["bundle", "create", "--output", "/nope/dir/bundle"], "--output /nope/dir/bundle: no folder /nope/dir to make it in"),
            (["run", image, "--key-file", "/nope/key"], "--key-file: open /nope/key: ENOENT")):
        if CA in command:
            (tmp_path / CA).write_text("-----BEGIN CERTIFICATE-----\n")
        done = run(*command, cwd=tmp_path)
        assert done.returncode == (125 if command[0] == "run" else 1) and words in done.stderr, done
        assert not (tmp_path / "cc").exists() and not pathlib.Path("/nope").exists()


EXAMPLES = [line.strip() for line in (SOURCE / "api/cli.toml").read_text().splitlines() if line.startswith("  bartizan ")]


def test_every_example_of_a_launch_with_a_broker_reaches_it():
    launches = [line for line in EXAMPLES if "bartizan run " in line]
    assert len(launches) >= 4
    for line in launches:
        assert "--tee simulated" not in line or "--allow loopback:8443" in line, line
    for words in (["--help"], ["bundle", "--help"], ["run", "--help"]):
        text = run(*words).stdout
        assert "bartizan run confidential/ --tee simulated --publish 8080:443 --allow loopback:8443" in text, text


def test_advice_can_be_followed(layout, tmp_path):
    (tmp_path / "ca.pem").write_bytes(make_certificate(tmp_path)[0].read_bytes())
    (tmp_path / "token").write_text("x\n")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = taken.getsockname()[1]
        done = run("list", "--broker", f"https://127.0.0.1:{nobody}", "--ca", tmp_path / "ca.pem", "--token-file", tmp_path / "token")
        assert "ECONNREFUSED" in done.stderr and "os_errno" not in done.stderr, done
        taken.listen()
        run("build", layout, "-o", tmp_path / "cc", "--key-out", tmp_path / "key", "--broker", "https://10.0.2.2", "--broker-ca", tmp_path / "ca.pem")
        done = run("register", tmp_path / "cc", "--broker", "https://10.0.2.2:65000x", "--ca", tmp_path / "ca.pem", "--token-file", tmp_path / "token",
                   "--key-file", tmp_path / "key", "--measurement", "5a" * 48, "--tee", "snp")
        assert done.returncode == 1 and "10.0.2.2 is the host as its guests see it: here it is 127.0.0.1" in done.stderr, done
        done = run("broker", "--state", tmp_path / "state", "--listen", f"127.0.0.1:{nobody}")
        assert done.returncode == 1 and "choose another port, or 0" in done.stderr, done


def test_a_run_tells_who_types_that_it_goes_nowhere(image, bundle):
    lost = "standard input does not reach the workload: its image allows the host output alone; `bartizan build --host-may input,output`"
    run_it = ["run", image, "--bundle", bundle, "--allow", "loopback", "--kvm-device", "/nonexistent/kvm"]
    assert lost in run(*run_it, input="typed").stderr
    assert "standard input" not in run(*run_it).stderr


def test_usage_errors_exit_with_2_and_name_the_word():
    for arguments, word in ((["frobnicate"], "frobnicate"), (["inspect"], "IMAGE"), (["run", "x", "--frob"], "--frob")):
        done = run(*arguments)
        assert done.returncode == 2, done
        assert word in done.stderr, done
        assert done.stdout == ""
        error = json.loads(run(*arguments, "--json").stdout)["error"]
        assert error["code"] == "invalid_argument"


def check_refused(arguments, words, status, image, layout, arm64, folder, tmp_path):
    places = {"image": image, "layout": layout, "new": tmp_path / "new", "arm64": arm64, "ca": folder / "somebody/ca.pem"}
    done = run(*(argument.format(**places) for argument in arguments), cwd=tmp_path)
    assert done.returncode == status, done
    if "--json" not in arguments:
        assert words in done.stderr and done.stdout == "" and "hunter2" not in done.stderr, done
        assert len([line for line in done.stderr.splitlines() if not line.startswith("bartizan: tee: ")]) <= 2, done
    else:
        assert words in json.loads(done.stdout)["error"]["message"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("arguments", "words"), [
    (["build", "x", "-o", "y"], "--key-out, --key-file or --key-from"),
    (["measure", "--tee", "foo"], "foo"),
    (["run", "{image}", "--publish", "80"], '"80"'),
    (["run", "{image}", "--tee", "foo"], "foo"),
    (["broker", "--state", "{new}", "--listen", "nowhere"], "nowhere"),
    (["build", "-", "-o", "y", "--key-out", "z"], "SOURCE"),
    # an unset variable of a shell, which took the broker away, and what the host may not
    (["build", "{layout}", "-o", "y", "--key-out", "z", "--broker", "", "--broker-ca", "x"], "--broker"),
    (["build", "{layout}", "-o", "y", "--key-out", "z", "--host-may", ""], "--host-may"),
    (["build", "{layout}", "-o", "y", "--key-out", "z", "--memory", "0512"], "0512"),
    (["build", "{layout}", "-o", "y", "--key-out", "y/key"], "y/key"),
    # 0 would be no limit, which nobody types
    (["run", "x", "--max-vcpus", "0"], "--max-vcpus: 0"),
    (["run", "x", "--max-memory", "0"], "--max-memory: 0"),
    (["run", "x", "--max-scratch", "0M"], "--max-scratch: 0M"),
    (["run", "x", "--memory", "0"], "--memory: 0"),
    (["up", "{layout}", "--vcpus", "0"], "--vcpus: 0"),
    (["build", "{layout}", "-o", "{layout}/cc", "--key-out", "z"], "/cc: is in the source"),
    # what would change nothing
    (["measure", "--vmm", "qemu"], "--vmm: changes nothing"),
    (["measure", "--vcpu-type", "EPYC-Milan"], "--vcpu-type: changes nothing"),
    (["measure", "--host-kernel", "all"], "--host-kernel: changes nothing"),
    (["register", "{image}", "--measurement", "5a", "--memory", "512"], "--memory: changes nothing"),
    (["register", "{image}", "--resource-policy"], "--resource-policy: changes nothing"),
    # the parser's own sentences
    (["inspect"], "inspect: IMAGE is required; see bartizan inspect --help"),
    (["build", "x", "-o"], "build: --output: its value is missing: PATH"),
    (["build", "x", "-o", "y", "-o", "z"], "--output: given 2 times, and once is possible"),
    (["build", "x", "--memory", "512M"], '--memory: "512M" is not a number of MiB, like 512'),
    (["build", "x", "--created", "abc", "-o", "y", "--key-out", "z"], '--created: "abc" is not'),
    (["measure", "--guest-svn", "abc"], '--guest-svn: "abc" is not a value for it'),
    (["build", "-f", "Dockerfile", "."], "-f: no such option, by design: an ordinary image is made first"),
    (["build", "x", "-t", "name"], "podman build -t NAME ."),
    (["build", "x", "-o", "y", "--key-file", "a", "--key-from", "b"], "only one of them is possible"),
    (["bundle"], "bundle: a command is required; see bartizan bundle --help"),
    (["inspect", "-"], "IMAGE"),
    (["measure", "--image", "-"], "--image"),
    (["up", "x", "-e", "A=b"], "up: -e: no such option, by design: the environment"),
    (["up", "x", "ls"], '"ls": command and arguments are inside the measured image'),
    (["up", "{layout}", "-p", "80", "--dry-run"], '--publish: "80"'),
    (["build", "{layout}", "-o", "-", "--key-out", "z"], "--output"),
    (["build", "{layout}", "-o", "y", "--key-out", "-", "--json"], "--key-out"),
    # the unknown word comes first, whatever else is missing
    (["-x"], "-x: no such option"),
    (["biuld"], "biuld: no such command; did you mean build?"),
    (["biuld", "--help"], "did you mean build?"),
    (["help", "biuld"], "did you mean build?"),
    (["bundle", "creat"], "bundle: creat: no such command; did you mean create?"),
    (["build", "--memroy", "5"], "build: --memroy: no such option; did you mean --memory?"),
    (["run", "x", "--mem=5"], "did you mean --memory?"),
    (["measure", "web-cc"], "--image"),
    (["inspect", "one", "two"], '"two": one argument too many'),
    ([], "a command is required"),
    # what podman has
    (["run", "x", "ls", "-la"], '"ls": command and arguments are inside the measured image'),
    (["run", "-e", "A=b", "x"], "-e: no such option, by design: the environment"),
    (["run", "x", "-v", "/a:/b"], "no folder of the host"),
    (["run", "-itd", "x"], "no such option"),
    (["run", "x", "--detach"], "by design"),
    (["run", "--entrypoint", "sh", "x"], "--entrypoint: no such option, by design"),
    (["run", "--rm", "-it", "x"], "--rm: no such option, by design: nothing of a guest remains"),
    (["run", "-it", "x"], "-i: no such option, by design: leave it out: standard input and the terminal reach the workload if its image allows it"),
    *[([verb, "x"], f"{verb}: no such command, by design") for verb in ("exec", "ps", "pull", "logs", "stop", "images", "rm")],
])
def test_one_status_for_a_wrong_command_line(arguments, words, image, layout, arm64, folder, tmp_path):
    check_refused(arguments, words, 2, image, layout, arm64, folder, tmp_path)


@pytest.mark.parametrize(("arguments", "words"), [
    # the library's name of an option is not what was typed
    (["verify", "{layout}"], "`bartizan build` makes a confidential one"),
    (["inspect", "{layout}"], "`bartizan build` makes a confidential one"),
    (["build", "{layout}", "-o", "y", "--key-out", "z", "--broker-ca", "{ca}"], "--broker-ca: without a --broker"),
    (["build", "{layout}", "-o", "y", "--key-out", "z", "--memory", "1"], "--memory 1: must be 128"),
    *[(["build", "{layout}", "-o", "y", "--key-out", "z", "--broker-ca", "{ca}", "--broker", url], '--broker "https://')
      for url in ("https://a:0", "https://a:70000", "https://a/kbs", "https://a?b", "https://a#b", "https://a b")],
    (["build", "{layout}", "-o", "y", "--key-out", "z", "--broker-ca", "{ca}", "--broker", "https://u:hunter2@a"], "a user or a password"),
    (["build", "{layout}", "-o", "y", "--key-out", "z", "--broker-ca", "{ca}", "--broker", "https://10.0.2.2", "--no-network"], "by it a guest asks"),
    (["build", "{layout}", "-o", "y", "--key-out", "z", "--base-reference", "v1"], '--base-reference "v1": without a --base-image'),
    (["build", "{layout}", "-o", "y", "--key-out", "z", "--resource", "a/b/c"], "without a --broker"),
    (["build", "{arm64}", "-o", "y", "--key-out", "z"], "linux/arm64, and guests are linux/amd64: fetch the one for it: skopeo copy --override-arch amd64"),
    (["up", "{layout}", "--memory", "3", "--dry-run"], "--memory 3: must be 128"),
    (["up", "{arm64}", "--dry-run"], "linux/arm64"),
    (["build", "{layout}", "-o", "x.tar.gz", "--key-out", "z"], "oci:x.tar.gz"),
    (["build", "{image}", "-o", "y", "--key-out", "z"], "already a confidential image, and a guest cannot open an image in its "
     "image: build from the one that it was made of; --force accepts it"),
    (["bundle", "create", "--init", "/bin/ls", "--output", "{new}"], "static executable"),
    # what is read, not how it is called
    (["build", "{layout}", "-o", "y", "--key-out", "z", "--broker", "https://10.0.2.2", "--broker-ca", "/nonexistent"], "--broker-ca"),
    (["build", "{layout}", "-o", "y", "--key-out", "z", "--broker", "https://10.0.2.2", "--broker-ca", "/etc/passwd"], "--broker-ca"),
    *[([verb, source], words) for verb in ("run", "inspect", "verify") for source, words in (("{layout}", "an ordinary OCI image"), ("missing", "missing"))],
    (["run", "{ca}"], "somebody/ca.pem"),
    (["run", "{image}", "--allow", "x"], 'allow "x": must be loopback'),
    (["up", "missing"], "missing"),
    (["up", "missing", "--dry-run"], "missing"),
    (["build", "missing", "-o", "y", "--key-out", "z"], "missing"),
    (["register", "{layout}", "--broker", "https://a", "--ca", "{ca}", "--token-file", "t", "--key-file", "k"], "an ordinary OCI image"),
    (["audit", "x", "--broker", "https://a", "--ca", "{ca}", "--token-file", "/nonexistent"], "--token-file"),
])
def test_one_status_for_what_the_words_lead_to(arguments, words, image, layout, arm64, folder, tmp_path):
    """docs/errors.md: 125 of run and up, which have the workload's status else, and 1 of the others."""
    check_refused(arguments, words, 125 if arguments[0] in ("run", "up") else 1, image, layout, arm64, folder, tmp_path)


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["build", "--help"], ["help", "run"], ["inspect", "{image}"],
                                       ["inspect", "{image}", "--json"], ["verify", "{image}"], ["diff", "{image}", "{image}"],
                                       ["measure", "--bundle", "{bundle}"], ["bundle", "inspect", "{bundle}", "--json"], ["probe"], ["probe", "--json"],
                                       ["inspect", "/nonexistent", "--json"], ["-x", "--json"]])
def test_what_cannot_be_written_is_an_error(arguments, image, bundle):
    command = [str(CLI), *(argument.format(image=image, bundle=bundle) for argument in arguments)]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE, text=True, timeout=120)
    assert done.returncode not in (0, -signal.SIGABRT), done
    assert "standard output: write: ENOSPC" in done.stderr
    closed = subprocess.run(["sh", "-c", '"$@" >&-', "sh", *command], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=120)
    assert closed.returncode != 0 and "standard output: write: EBADF" in closed.stderr, closed


def test_a_closed_stdout_does_not_write_into_the_image(layout, tmp_path):
    command = [str(CLI), "build", str(layout), "-o", str(tmp_path / "out"), "--key-out", str(tmp_path / "key")]
    done = subprocess.run(["sh", "-c", '"$@" >&-', "sh", *command], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=120)
    assert done.returncode == 1, done
    assert run("verify", tmp_path / "out", "--key-file", tmp_path / "key").returncode == 0


def test_version_and_help_in_all_their_forms():
    version = run("--version").stdout
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", version)
    assert run("-V").stdout == run("version").stdout == version
    assert run("help").stdout == run("--help").stdout == run("-h").stdout
    assert run("help", "bundle", "create").stdout == run("bundle", "create", "--help").stdout


def test_json_may_stand_anywhere(image):
    wanted = run("inspect", image, "--json")
    assert wanted.returncode == 0 and json.loads(wanted.stdout)["workload_id"] == "tiny"
    assert run("--json", "inspect", image).stdout == wanted.stdout
    assert json.loads(run("--json", "bundle", "inspect", "/nonexistent").stdout)["error"]["code"] == "not_found"
    assert json.loads(run("bundle", "--json", "inspect", "/nonexistent").stdout)["error"]["code"] == "not_found"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits(command):
    for words in ([command], ["bundle", "create"]) if command == "bundle" else ([command],):
        text = run(*words, "--help").stdout
        assert max(map(len, text.splitlines())) <= MOST_COLUMNS, text


def test_help_fits_a_narrow_terminal():
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
    with subprocess.Popen([str(CLI), "build", "--help"], stdin=subprocess.DEVNULL, stdout=theirs):
        os.close(theirs)
        text = b""
        with contextlib.suppress(OSError):  # EIO: the other end is closed
            while chunk := os.read(ours, 65536):
                text += chunk
    os.close(ours)
    options = text.decode().split("Examples:")[0].splitlines()
    assert len(options) > 20 and max(map(len, options)) <= 60, text


def test_key_comes_by_standard_input_and_goes_to_standard_output(layout, image, tmp_path):
    assert run("verify", image, "--key-file", "-", input=KEY.decode()).returncode == 0
    twice = run("build", layout, "-o", tmp_path / "no", "--key-file", "-", "--recovery-file", "-", input="x" * 64)
    assert twice.returncode == 2 and "read for another option" in twice.stderr
    done = run("build", layout, "-o", tmp_path / "out", "--key-out", "-")
    assert done.returncode == 0 and len(bytes.fromhex(done.stdout)) == 32, done
    assert "workload digest" in done.stderr
    assert run("verify", tmp_path / "out", "--key-file", "-", input=done.stdout).returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_no_vm_is_started_whose_guest_gets_no_key(layout, image, bundle, tmp_path):
    """Before: after the whole boot, at the guest's stage evidence or crypt."""
    done = run("build", layout, "-o", tmp_path / "alone", "--key-out", tmp_path / "key")
    assert done.returncode == 0, done
    launch = ["--tee", "none", "--bundle", bundle, "--kvm-device", "/nonexistent/kvm"]
    for arguments, status, words in ((["alone"], 125, "--key-file: none given, and the manifest in"),
                                     ([image], 125, "--key-file: none given, and without a TEE"),
                                     ([image, "--key-file", "key"], 125, "[disk_key]"),
                                     (["alone", "--key-file", "key"], 125, "/nonexistent/kvm")):
        done = run("run", *arguments, *launch, cwd=tmp_path)
        assert done.returncode == status and words in done.stderr, done


def test_what_others_wrote_does_not_steer_the_terminal(tmp_path):
    for name in ("a\x1b[31m", "two\nlines", "c1\u009b31m", "del\x7f"):
        done = run("inspect", tmp_path / name)
        assert done.returncode == 1 and len(done.stderr.splitlines()) == 2, done
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", done.stderr), done
        assert json.loads(run("inspect", tmp_path / name, "--json").stdout)["error"]["message"].startswith(str(tmp_path / name))


def test_a_bundle_says_what_it_replaced(bundle, tmp_path):
    create = ["bundle", "create", "--output", tmp_path / "bundle", "--init", os.environ.get("BARTIZAN_INIT", BUILD / "src/guest/bartizan-init")]
    assert "replaced" not in run(*create).stderr
    with open(tmp_path / "bundle/kernel", "r+b") as kernel:
        kernel.write(b"x")
    assert "replaced a damaged bundle" in run(*create).stderr
    made = (tmp_path / "bundle/kernel").stat().st_ino
    assert "an equal bundle is there: nothing was written" in run(*create).stderr
    assert (tmp_path / "bundle/kernel").stat().st_ino == made


# An overlay file system does not rename a folder that is in its lower layer.
def test_a_bundle_of_an_overlays_lower_layer_is_replaced(bundle, tmp_path):
    for folder in ("lower", "tmpfs", "merged"):
        (tmp_path / folder).mkdir()
    create = [CLI, "bundle", "create", "--init", os.environ.get("BARTIZAN_INIT", BUILD / "src/guest/bartizan-init"), "--output"]
    before = run(*create[1:], tmp_path / "lower/bundle", "--json")
    script = f"""
        mount -t tmpfs none tmpfs && mkdir tmpfs/upper tmpfs/work &&
        mount -t overlay -o lowerdir=lower,upperdir=tmpfs/upper,workdir=tmpfs/work none merged || exit 77
        {shlex.join(map(str, create))} merged/bundle --append-cmdline another --json && {CLI} bundle inspect merged/bundle --json
        ls -A merged merged/bundle"""
    done = subprocess.run(["unshare", "--map-root-user", "--mount", "sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    if done.returncode == 77:
        pytest.skip("no overlay file system can be mounted here")
    assert done.returncode == 0, done
    made, inspected = map(json.loads, done.stdout.splitlines()[:2])
    assert made["replaced_digest"] == json.loads(before.stdout)["digest"] != made["digest"] == inspected["digest"], done
    assert done.stdout.split()[-6:] == ["merged:", "bundle", "merged/bundle:", "bundle.json", "initrd", "kernel"], done


def test_probe_of_one_tee_has_a_status():
    done = run("probe", "--tee", "simulated", "--kvm-device", "/nonexistent")
    assert done.returncode == 1 and done.stdout.startswith("simulated"), done
    for tee in json.loads(run("probe", "--json").stdout)["tees"]:
        done = run("probe", "--tee", tee["tee"], "--json")
        assert done.returncode == (0 if tee["available"] else 1), done
        assert json.loads(done.stdout)["tee"] == tee["tee"]


def test_colours_and_bars_only_where_they_are_understood(tmp_path):
    def shown(**environment):
        ours, theirs = pty.openpty()
        subprocess.run([str(CLI), "inspect", "/nonexistent"], stdin=subprocess.DEVNULL, stderr=theirs, env={"TERM": "xterm", **environment})
        os.close(theirs)
        text = os.read(ours, 65536)
        os.close(ours)
        return text

    assert b"\033[" in shown() and b"\033[" in shown(NO_COLOR="")
    assert b"\033[" not in shown(NO_COLOR="1") and b"\033[" not in shown(TERM="dumb")


def test_a_workload_is_registered_with_a_key_that_opens_it_and_replaced_on_demand(layout, tmp_path):
    def build(name, *more):
        done = run("build", layout, "-o", tmp_path / name, "--key-out", tmp_path / f"{name}.key", *more)
        assert done.returncode == 0, done

    with bartizan.Broker(tmp_path / "state", port=0) as broker:
        (tmp_path / "ca.pem").write_text(broker.ca_pem)
        access = ["--broker", broker.url, "--ca", tmp_path / "ca.pem", "--token-file", broker.admin_token_path]
        for name in ("one", "two"):
            build(name, "--broker", "https://10.0.2.2:8443", "--broker-ca", tmp_path / "ca.pem")
        build("alone")

        def register(name, *more, key=None, tee="snp"):
            return run("register", tmp_path / name, *access, "--key-file", tmp_path / f"{key or name}.key", "--measurement", "5a" * 48, "--tee", tee, *more)

        wrong = register("one", key="two")
        assert wrong.returncode == 1 and "[disk_key]" in wrong.stderr and str(tmp_path / "one") in wrong.stderr, wrong
        assert json.loads(run("list", *access, "--json").stdout) == []
        alone = register("alone")
        assert alone.returncode == 2 and "--force" in alone.stderr, alone
        none = register("one", tee="simulated")
        assert none.returncode == 1 and "--allow-simulated: no guest of it would get the key" in none.stderr, none
        assert json.loads(run("list", *access, "--json").stdout) == []
        assert register("one").returncode == 0
        assert register("one").returncode == 0
        other = run("register", tmp_path / "one", *access, "--key-file", tmp_path / "one.key", "--measurement", "5b" * 48, "--tee", "snp")
        assert other.returncode == 1 and "--replace" in other.stderr, other
        assert register("two").returncode == 0
        which = run("unregister", json.loads(run("list", *access, "--json").stdout)[0]["id"], *access)
        assert which.returncode == 1 and "name one by its digest" in which.stderr, which
        digests = {name: json.loads(run("inspect", tmp_path / name, "--json").stdout)["workload_digest"] for name in ("one", "two")}
        assert digests["one"] in which.stderr and digests["one"] in run("list", *access).stdout
        assert digests["two"] in run("show", tmp_path / "two", *access).stdout
        assert run("unregister", tmp_path / "one", *access).returncode == 0
        (listed,) = json.loads(run("list", *access, "--json").stdout)
        assert listed["workload_digest"] == digests["two"]
        for workload in (listed["id"], tmp_path / "two"):
            assert "  registered, from 127.0.0.1" in run("audit", workload, *access).stdout
        assert run("audit", listed["id"], *access).stdout.count(" registered,") == 2  # the same values again are no change
        rotate = ["rotate-key", tmp_path / "two", *access, "--key-file"]
        wrong = run(*rotate, tmp_path / "one.key")
        assert wrong.returncode == 1 and "[disk_key]" in wrong.stderr, wrong
        assert run(*rotate, tmp_path / "two.key").returncode == 0
        for wrong in ("2020-02-30x", "1970-01-01"):  # 0 would be "never"
            late = run("expire", listed["id"], *access, "--at", wrong)
            assert late.returncode == 2 and "YYYY-MM-DD" in late.stderr, late
        assert run("expire", listed["id"], *access, "--at", "2020-02-29").returncode == 0
        assert "2020-02-29T00:00:00Z (has expired)" in run("show", listed["id"], *access).stdout
        chain = json.loads(run("audit-verify", "--state", tmp_path / "state", "--json").stdout)
        assert chain["entries"] >= 5, chain
        assert run("unregister", listed["id"], *access).returncode == 0
        assert json.loads(run("list", *access, "--json").stdout) == []


@pytest.fixture
def broker(tmp_path):
    with bartizan.Broker(tmp_path / "state", port=0) as broker:
        (tmp_path / "ca.pem").write_text(broker.ca_pem)
        yield broker


def register_with(broker, tmp_path, url=None, token=None):
    return ["--register-with", url or broker.url, "--broker-ca", tmp_path / "ca.pem", "--token-file", token or broker.admin_token_path]


def listed(broker, tmp_path):
    access = ["--broker", broker.url, "--ca", tmp_path / "ca.pem", "--token-file", broker.admin_token_path]
    return json.loads(run("list", *access, "--json").stdout)


def test_an_image_is_built_and_registered_in_one_go(layout, bundle, broker, tmp_path):
    """The broker alone keeps the key; in the image it has the address by which guests reach this host."""
    words = [*register_with(broker, tmp_path), "--bundle", bundle, "--allow-simulated"]
    done = run("build", layout, "-o", tmp_path / "cc", "--json", *words)
    assert done.returncode == 0, done
    report = json.loads(done.stdout)
    registration = report["registration"]
    (workload,) = listed(broker, tmp_path)
    shown = json.loads(run("inspect", tmp_path / "cc", "--json").stdout)
    assert shown["workload_digest"] == report["workload_digest"] == registration["workload_digest"] == workload["workload_digest"]
    assert shown["broker_url"] == f"https://10.0.2.2:{broker.port}"
    measured = json.loads(run("measure", "--image", tmp_path / "cc", "--bundle", bundle, "--json").stdout)["digest"]
    assert [measured] == registration["measurements"] == workload["measurements"] and workload["allow_simulated"]
    # another build of it, in its place; the address of the guest's is another one
    done = run("build", layout, "-o", tmp_path / "second", "--key-out", tmp_path / "key", "--broker", "https://10.0.2.2:9", *words, "--replace")
    assert done.returncode == 0 and "https://10.0.2.2:9" in done.stdout and "measurement" in done.stdout and broker.url in done.stdout, done
    assert (tmp_path / "key").read_text().strip() not in done.stdout + done.stderr
    (second,) = listed(broker, tmp_path)
    assert second["workload_digest"] != workload["workload_digest"]


@pytest.mark.parametrize("what, words", [
    ("nobody listens", "ECONNREFUSED"), ("wrong token", "admin token is missing or wrong"), ("wrong authority", "tls"), ("no bundle", "bundle.json"),
    ("no token", "--token-file: required with --register-with"), ("no authority", "--broker-ca: required with --register-with"),
    ("no broker", "--token-file: changes nothing here: it counts with --register-with"), ("as guests see it", "here it is 127.0.0.1"),
    ("no address", '--register-with: "ftp://a" is not https'),
])
def test_what_registration_lacks_is_said_before_the_build(layout, bundle, broker, tmp_path, what, words):
    (tmp_path / "token").write_text("another")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = f"https://127.0.0.1:{taken.getsockname()[1]}"
        options = register_with(broker, tmp_path, url=nobody if what == "nobody listens" else None,
                                token=tmp_path / "token" if what == "wrong token" else None)
        options += ["--allow-simulated", "--bundle", bundle if what != "no bundle" else tmp_path / "nowhere"]
        if what == "wrong authority":
            options[3] = make_certificate(tmp_path)[0]
        if what in ("no token", "no authority"):
            at = options.index("--token-file" if what == "no token" else "--broker-ca")
            del options[at:at + 2]
        if what == "no broker":
            options = ["--token-file", tmp_path / "token", "--key-out", tmp_path / "key"]
        if what == "as guests see it":
            options += ["--broker", "https://10.0.2.2"]
            options[1] = "https://10.0.2.2:65000x"
        if what == "no address":
            options[1] = "ftp://a"
        done = run("build", layout, "-o", tmp_path / "cc", *options)
    assert done.returncode in (1, 2) and words in done.stderr, done
    assert "another" not in done.stderr
    assert not (tmp_path / "cc").exists() and not (tmp_path / "key").exists()
    assert listed(broker, tmp_path) == []


@pytest.mark.parametrize("command", COMMANDS)
def test_help_teaches(command):
    done = run(command, "--help")
    assert done.returncode == 0
    within = {"bundle": "create", "evidence": "verify", "token": "create"}.get(command)
    text = run(command, within, "--help").stdout if within else done.stdout
    assert "Examples:" in text
    assert f"bartizan {command}" in text
    assert "--json" in text


def test_help_of_all_names_the_commands_and_the_exit_statuses():
    text = run("--help").stdout
    assert all(command in text for command in COMMANDS)
    assert "Exit status: 0" in text


def test_a_policy_that_was_cut_to_nothing_accepts_nothing(tmp_path):
    (tmp_path / "policy.json").touch()
    vendor = SOURCE / "tests/unit/attest/vendor_evidence"
    done = run("evidence", "verify", vendor / "milan-v3-vlek.report.bin", "--kind", "snp", "--policy", tmp_path / "policy.json")
    assert done.returncode == 1 and "policy.json: empty" in done.stderr


@pytest.mark.parametrize("date", ["2026-02-30", "2027-02-29"])
def test_a_day_that_does_not_exist_is_refused(date, tmp_path):
    done = run("evidence", "verify", tmp_path / "any", "--kind", "snp", f"--at={date}")
    assert done.returncode != 0 and date in done.stderr


def test_error_is_one_line_and_its_advice():
    done = run("inspect", "/nonexistent/image")
    assert done.returncode == 1
    first, second = done.stderr.splitlines()
    assert re.fullmatch(r"bartizan: [\w/]+: .*/nonexistent/image.*", first)
    assert second.startswith("  not_found: ")
    assert "\033" not in done.stderr  # no colours but on a terminal


def test_a_file_that_cannot_be_opened_has_the_code_of_its_errno(layout, tmp_path):
    place = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(place))
        error = json.loads(run("verify", layout, "--key-file", place, "--json").stdout)["error"]
        assert (error["code"], error["os_errno"]) == ("not_found", errno.ENXIO)
    # The command opens the key and waits for its writer; then no descriptor is left for the certificate.
    key, ca = tmp_path / "key", tmp_path / "ca"
    os.mkfifo(key)
    ca.write_text("certificate")
    command = [CLI, "build", layout, "--output", tmp_path / "out", "--key-file", key, "--broker-ca", ca, "--json"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
        with open(key, "wb") as writer:
            resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (3, 3))
            writer.write(KEY)
        error = json.loads(process.communicate(timeout=60)[0])["error"]
    assert (error["code"], error["os_errno"]) == ("resource_exhausted", errno.EMFILE)


def test_key_comes_out_in_a_file_of_its_owner_and_nowhere_else(layout, tmp_path):
    done = run("build", layout, "--output", tmp_path / "out", "--key-out", tmp_path / "key", "--json")
    assert done.returncode == 0, done
    key = (tmp_path / "key").read_text().strip()
    assert len(bytes.fromhex(key)) == 32
    assert stat.S_IMODE(os.stat(tmp_path / "key").st_mode) == 0o600
    assert key not in done.stdout + done.stderr
    verified = run("verify", tmp_path / "out", "--key-file", tmp_path / "key")
    assert verified.returncode == 0, verified
    assert "ok: opens the disk" in verified.stdout


def test_build_without_a_place_for_the_key_is_refused_before_work(layout, tmp_path):
    done = run("build", layout, "--output", tmp_path / "out", "--json")
    assert json.loads(done.stdout)["error"]["code"] == "invalid_argument"
    assert not (tmp_path / "out").exists()
    (tmp_path / "key").write_text("old")
    done = run("build", layout, "--output", tmp_path / "out", "--key-out", tmp_path / "key", "--json")
    assert json.loads(done.stdout)["error"]["code"] == "already_exists"
    assert (tmp_path / "key").read_text() == "old"
    assert not (tmp_path / "out").exists()


def test_time_of_an_image_can_come_from_the_environment(layout, tmp_path):
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}
    done = run("build", layout, "--output", tmp_path / "out.tar", "--key-out", tmp_path / "key", env=environment)
    assert done.returncode == 0, done
    shown = subprocess.run(["skopeo", "inspect", f"oci-archive:{tmp_path / 'out.tar'}"], capture_output=True, text=True, check=True)
    assert json.loads(shown.stdout)["Created"] == "2023-11-14T22:13:20Z"
    done = run("build", layout, "--output", tmp_path / "b", "--key-out", tmp_path / "b.key", "--json", env={**environment, "SOURCE_DATE_EPOCH": "soon"})
    error = json.loads(done.stdout)["error"]
    assert error["code"] == "invalid_argument" and "SOURCE_DATE_EPOCH" in error["message"] and "soon" in error["message"]


def test_archive_goes_when_its_key_cannot_be_kept(layout, tmp_path):
    done = run("build", layout, "--output", f"oci-archive:{tmp_path / 'out'}", "--key-out", tmp_path / "nowhere/key", "--json")
    assert json.loads(done.stdout)["error"]["code"] == "not_found"
    assert list(tmp_path.iterdir()) == []


def test_secret_can_come_by_a_descriptor(image):
    read, write = os.pipe()
    os.write(write, KEY)
    os.close(write)
    done = run("verify", image, "--key-file", f"/dev/fd/{read}", pass_fds=[read])
    os.close(read)
    assert done.returncode == 0, done


@pytest.fixture(scope="module")
def large_layout(tmp_path_factory):
    folder = tmp_path_factory.mktemp("large") / "oci"
    make_layout(folder, {"hello": b"", "noise": os.urandom(128 << 20)}, level=0)
    return folder


@pytest.mark.parametrize("number, wait", [(signal.SIGINT, 0), (signal.SIGTERM, 0.1), (signal.SIGHUP, 0.1)])
def test_interrupted_build_leaves_nothing(large_layout, tmp_path, number, wait):
    command = [str(CLI), "build", str(large_layout), "-o", str(tmp_path / "out"), "--key-out", str(tmp_path / "key"), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and not list(tmp_path.iterdir()):
            time.sleep(0.002)
        time.sleep(wait)
        process.send_signal(number)
        told = json.loads(process.communicate(timeout=120)[0])
    assert told["error"]["code"] == "cancelled", told
    assert process.returncode == 128 + number
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_broker_serves_until_a_signal(tmp_path, number):
    command = [str(CLI), "broker", "--state", str(tmp_path / "state"), "--listen", "127.0.0.1:0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        told = json.loads(process.stdout.readline())
        assert told["url"] == f"https://127.0.0.1:{told['port']}"
        assert stat.S_IMODE(os.stat(told["admin_token_file"]).st_mode) == 0o600
        access = ["--broker", told["url"], "--ca", told["ca"], "--token-file", told["admin_token_file"]]
        assert json.loads(run("audit", "nobody", *access, "--json").stdout)["error"]["code"] == "not_found"
        process.send_signal(number)
        assert process.wait(30) == 0


@pytest.mark.parametrize("text", ["80", "x:80", "1:2:3:4:99999", "127.0.0.1:80:0", "80:80:80:80", "localhost:80:80", "80:80/sctp", "80:80/", "auto:80", "auto/udp"])
def test_malformed_port_is_named(image, text):
    error = json.loads(run("run", image, "--publish", text, "--tee", "none", "--json").stdout)["error"]
    assert error["code"] == "invalid_argument"
    assert text in error["message"]


def test_errors_page_is_what_the_list_says():
    made = subprocess.run([sys.executable, SOURCE / "scripts/make-errors-doc", "--print"], capture_output=True, text=True, check=True).stdout
    assert made == (SOURCE / "docs/errors.md").read_text(), "run scripts/make-errors-doc"


COMPLETE = """source {script}
COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
compopt() {{ :; }}
_bartizan
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.mark.parametrize("words, found", [
    ("bartizan ver", {"verify"}), ("bartizan bundle cr", {"create"}), ("bartizan build oci --scr", {"--scratch"}),
    ("bartizan bundle create --ini", {"--init"}), ("bartizan run x --tee sim", {"simulated"})])
def test_bash_completes(words, found):
    script = COMPLETE.format(script=SOURCE / "src/cli/generated/bartizan.bash", words=words)
    done = subprocess.run(["bash", "-eu", "-c", script], capture_output=True, text=True)
    assert set(done.stdout.split()) == found, done


def test_doctor_tells_what_is_missing_and_what_to_do():
    """Without a KVM device no guest can be launched: the same in its words, its status and its JSON."""
    done = run("doctor", "--kvm-device", "/nonexistent/kvm")
    assert done.returncode == 1, done
    assert re.search(r"^MISSING +kvm .*/nonexistent/kvm", done.stdout, re.M), done.stdout
    assert re.search(r"^ +-> .*kvm_amd", done.stdout, re.M), done.stdout
    assert "This host cannot launch a guest" in done.stdout
    answer = json.loads(run("doctor", "--kvm-device", "/nonexistent/kvm", "--json").stdout)
    assert answer["ready"] is False and answer["tee"] == "none"
    checks = {check["name"]: check for check in answer["checks"]}
    assert checks["kvm"] == {**checks["kvm"], "needed": True, "good": False}
    assert all(check["good"] or check["advice"] for check in answer["checks"]), answer
    assert {tee["tee"] for tee in answer["host"]["tees"]} >= {"simulated", "snp"}


def test_doctor_looks_for_programs_in_the_path(tmp_path):
    (tmp_path / "skopeo").write_text("#!/bin/sh\n")
    for mode, good in ((0o644, False), (0o755, True)):
        (tmp_path / "skopeo").chmod(mode)
        done = run("doctor", "--json", "--kvm-device", "/nonexistent/kvm", env={**os.environ, "PATH": f"/nonexistent:{tmp_path}"})
        found = {check["name"]: check["good"] for check in json.loads(done.stdout)["checks"]}
        assert found["skopeo"] == good and not found["qemu-system-x86_64"], found


def up(layout, state, *words, **options):
    return run("up", layout, "--state", state, "--kvm-device", "/nonexistent/kvm", *words, **options)


def test_up_shows_the_long_form(layout, tmp_path):
    """Each command is one that this program takes, in an order in which one makes what the next one reads."""
    done = up(f"oci:{layout}", tmp_path / "it's", "-p", "8080:80", "--memory", "256", "--dry-run")
    assert done.returncode == 0, done
    lines = [shlex.split(line.removesuffix(" &")) for line in done.stdout.splitlines()]
    assert [" ".join(line[1:3]) if line[1] == "bundle" else line[1] for line in lines] == [
        "bundle create", "broker", "build", "register", "run"]
    assert not (tmp_path / "it's").exists()  # nothing was done
    build, run_line = lines[2], lines[4]
    assert build[2] == str(layout) and build[build.index("--memory") + 1] == "256"
    assert run_line[2] == build[build.index("--output") + 1]
    assert run_line[run_line.index("--publish") + 1] == "8080:80"
    assert "--allow-simulated" in lines[3] and "simulated: it protects nothing" in done.stderr
    # The library takes the lines as they are, as far as they go without a KVM and a broker.
    (tmp_path / "it's/broker").mkdir(parents=True)
    (tmp_path / "it's/broker/ca.pem").write_bytes(make_certificate(tmp_path)[0].read_bytes())
    (tmp_path / "it's/images").mkdir()
    pathlib.Path(run_line[2]).parent.mkdir()
    assert run(*build[1:]).returncode == 0
    assert run("inspect", run_line[2]).returncode == 0


def test_up_is_the_same_in_json(layout, tmp_path):
    steps = json.loads(up(layout, tmp_path / "state", "--dry-run", "--json").stdout)
    words = up(layout, tmp_path / "state", "--dry-run").stdout.splitlines()
    assert [step["command"] for step in steps["steps"]] == words
    assert steps["tee"] == "simulated"


@pytest.mark.parametrize("words, named", [
    (["--tee", "sev"], "snp and simulated"), (["--tee", "sgx"], "sgx"), ([], "/nonexistent/kvm")])
def test_up_refuses_what_cannot_run_before_it_makes_anything(layout, tmp_path, words, named):
    done = up(layout, tmp_path / "state", *words)
    assert done.returncode != 0 and named in done.stderr, done
    assert not (tmp_path / "state").exists()
