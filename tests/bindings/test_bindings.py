"""The table through four interfaces: the same results, the same errors, word for word."""

import datetime
import itertools
import json
import os
import re
import pathlib
import shutil
import socket
import subprocess
import sys
import tomllib

import bartizan
import pytest
from admin_servers import ReferenceKbs, Trustee, openssl
from bartizan_fixtures import BUILD, KEY, SOURCE, certificate

HERE = pathlib.Path(__file__).parent
TABLE = json.loads((HERE / "table.json").read_text())
DRIVERS = {
    "c++": [BUILD / "tests/bindings/bindings_cpp"],
    "c": [BUILD / "tests/bindings/bindings_c"],
    "python": [sys.executable, HERE / "driver.py"],
}
CLI = BUILD / "src/cli/bartizan"
# Root reads everything, because of these two.
UNPRIVILEGED = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--"] if os.geteuid() == 0 else []
TIME_LIMIT_S = 120


FLAGS = ("anonymous", "resource_policy", "keep_resource_policy", "replace")  # options without a value


def cli(operation, image=None, key_file=None, port=None, ca=None, state=None, source=None, output=None, publish_auto=None,
        **options):
    """The command line of an operation."""
    flags = [f"--{name.replace('_', '-')}" + ("" if name in FLAGS else f"={value}") for name, value in options.items()]
    return {
        "inspect": lambda: ["inspect", image],
        "verify": lambda: ["verify", image, f"--key-file={key_file}"],
        "build": lambda: ["build", source, f"--output={output}", "--id=tiny", f"--key-file={key_file}", *flags],
        "measure": lambda: ["measure", *flags],
        "judge": lambda: ["evidence", "verify", *(f"--at={date(flag)}" if flag.startswith("--now=") else
                                                  flag.removeprefix("--evidence=") for flag in flags)],
        "show_evidence": lambda: ["evidence", "show", *(flag.removeprefix("--evidence=") for flag in flags)],
        "bundle": lambda: ["bundle", "inspect", options["bundle"]],
        "probe": lambda: ["probe", *flags],
        "launch": lambda: ["run", image, "--name=machine", *([f"--key-file={key_file}"] if key_file else []), *flags]
        + ([f"--publish={port}:80"] if port else []) + ([f"--publish={publish_auto}:auto"] if publish_auto else []),
        "broker": lambda: ["broker", f"--state={state}", f"--listen=127.0.0.1:{port}", *flags],
        "register": lambda: ["register", image, f"--key-file={key_file}", f"--ca={ca}", "--allow-simulated",
                             *(flag.replace("--url", "--broker") for flag in flags)],
    }[operation]() + ["--json"]


def date(flag):
    seconds = int(flag.partition("=")[2])
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def as_library(message):
    """A message of the command line with the library's names of options."""
    table = tomllib.loads((SOURCE / "api/cli.toml").read_text())
    options = sum([*table["sets"].values(), *(one.get("option", []) for one in table["commands"].values())], [])
    names = {}
    for option in options:
        flag = option["flag"].split(",")[0]
        name = option.get("library", flag.lstrip("-").replace("-", "_"))
        names.setdefault(flag, name if isinstance(name, str) else name[0])
        if "library" in option:
            names[flag] = name if isinstance(name, str) else name[0]
    return re.sub(r"--[a-z-]+", lambda found: names.get(found[0], found[0]) if re.search("[_`]", names.get(found[0], "")) else found[0], message)


def command(interface, operation, arguments):
    if interface == "cli":
        return [CLI, *cli(operation, **arguments)]
    return [*DRIVERS[interface], operation, *(f"{name}={value}" for name, value in arguments.items())]


def run(interface, row, arguments):
    prefix = UNPRIVILEGED if row.get("unprivileged") else []
    done = subprocess.run(list(map(str, [*prefix, *command(interface, row["operation"], arguments)])),
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIME_LIMIT_S)
    assert done.stdout.count("\n") == 1, done
    result = json.loads(done.stdout)
    if interface == "cli":
        usual = 125 if row["operation"] == "launch" else 1
        error = result.get("error", {})
        wrong = 2 if error.get("code") == "invalid_argument" and error["origin"] == "cli" else usual
        refused = 1 if result.get("accepted") is False else 0
        assert done.returncode == (wrong if "error" in result else refused), done
        if "error" in result:  # it names its flags where programs have options
            result["error"]["message"] = as_library(result["error"]["message"])
            if error["origin"] == "cli":  # the library's refusal of a word, with the word's option in front
                error["message"] = re.sub(r"^--[a-z-]+: ", "", error["message"])
    else:
        assert done.returncode == 0, done
    return result


@pytest.fixture(scope="session")
def broker(folder):
    with bartizan.Broker(folder / "broker", port=0) as running:
        yield running


@pytest.fixture(scope="session")
def others(folder):
    """Trustee's KBS with its administrator's key, and a server of the old form."""
    key, public = folder / "admin.key", folder / "admin.pub"
    openssl("genpkey", "-algorithm", "ed25519", "-out", key)
    openssl("pkey", "-in", key, "-pubout", "-out", public)
    with Trustee(folder / "trustee", public) as trustee, ReferenceKbs(folder / "old") as old:
        yield {"trustee_url": trustee.url, "trustee_ca": trustee.ca, "admin_key": key, "old_url": old.url, "old_ca": old.ca}
        assert trustee.problems == [] and old.problems == []


@pytest.fixture(scope="session")
def archive(folder, layout):
    return bartizan.build_image(layout, folder / "confidential.tar", workload_id="tiny", disk_key=KEY).output


@pytest.fixture(scope="session")
def attested(folder, layout):
    """Its guest asks a broker at the host's loopback for the key."""
    return bartizan.build_image(layout, folder / "attested", workload_id="attested", disk_key=KEY, broker_url="https://10.0.2.2:8443",
                                broker_ca_pem=certificate(folder / "attested-broker")).output


@pytest.fixture(scope="session")
def taken():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def damaged(image, folder):
    """A copy of the image with one byte of its disk flipped."""
    copy = folder / "flipped"
    shutil.copytree(image, copy)
    info = bartizan.inspect_image(copy)
    with open(info.disk_path, "r+b") as disk:
        disk.seek(info.disk_offset + info.disk_bytes // 2)
        byte = disk.read(1)[0]
        disk.seek(-1, os.SEEK_CUR)
        disk.write(bytes([byte ^ 1]))
    return copy


def newer(unpacked, folder):
    """A copy of the unpacked image whose manifest has version 2."""
    copy = folder / "newer"
    shutil.copytree(unpacked, copy, symlinks=True)
    path = copy / "bartizan.json"
    text = path.read_bytes().replace(b'"version":1', b'"version":2')
    assert text != path.read_bytes()
    path.unlink()
    path.write_bytes(text)
    return copy


def damaged_bundle(bundle, folder):
    copy = folder / "damaged_bundle"
    shutil.copytree(bundle, copy)
    with open(copy / "kernel", "r+b") as kernel:
        kernel.seek(-1, os.SEEK_END)
        kernel.write(b"\x00" if kernel.read(1) != b"\x00" else b"\x01")
    return copy


def plain_bundle(bundle, folder):
    """Of a kernel that can be no guest of a TEE."""
    copy = folder / "plain_bundle"
    shutil.copytree(bundle, copy)
    info = json.loads((copy / "bundle.json").read_text()) | {"tees": ["none"]}
    (copy / "bundle.json").write_text(json.dumps(info, sort_keys=True, separators=(",", ":")))
    return copy


def luks_disk(folder, key_file):
    disk = folder / "luks.img"
    disk.write_bytes(bytes(8 << 20))
    subprocess.run(["cryptsetup", "luksFormat", "-q", "--type", "luks1", "--pbkdf-force-iterations", "1000", "--cipher", "aes-xts-plain64",
                    "--key-file", key_file, disk], check=True, env={**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"})
    return disk


def tee_configs(folder):
    """One as libkrun's examples are, and one with a slip of the pen."""
    names = {}
    for name, key in (("tee_config", "cpus"), ("odd_tee_config", "cpu")):
        names[name] = folder / f"{name}.json"
        names[name].write_text(json.dumps({"workload_id": "other", key: 2, "ram_mib": 1024, "tee": "snp", "tee_data": '{"gen":"milan"}',
                                           "attestation_url": ""}))
    return names


def evidence_files(folder):
    """A cloud's report of 2025, signed by a VLEK, and policies for it."""
    vendor = SOURCE / "tests/unit/attest/vendor_evidence"
    report, vlek = (vendor / f"milan-v3-vlek.{name}" for name in ("report.bin", "vlek.der"))
    texts = {"vlek_evidence": bartizan.Evidence("snp", report.read_bytes(), [vlek.read_bytes()]).to_json(),
             "vlek_policy": json.dumps({"version": 1, "snp": {"signers": ["vlek"], "maximum_vmpl": 1}}),
             "odd_policy": json.dumps({"version": 1, "snp": {"minimum_tcb": 5}})}
    for name, text in texts.items():
        (folder / name).write_text(text)
    return {name: folder / name for name in texts}


@pytest.fixture(scope="session")
def places(folder, layout, image, attested, unpacked, bundle, key_file, broker, taken, others, archive):
    (folder / "empty").mkdir()
    locked = folder / "locked"
    locked.mkdir(mode=0o000)
    (folder / "locked_file").touch(mode=0o000)
    (folder / "wrong").write_text("another-secret\n")
    (folder / "repeated").write_text("0123456789abcdef" * 4)
    (folder / "id_block").write_bytes(bytes(96))
    (folder / "id_auth").write_bytes(bytes(4096))
    (folder / "ca.pem").write_text(broker.ca_pem)
    (folder / "other_ca.pem").write_text(certificate(folder / "other"))
    return {
        **others, **tee_configs(folder), **evidence_files(folder), "archive": archive, "layout": layout, "image": image, "attested": attested, "unpacked": unpacked, "bundle": bundle, "key_file": key_file,
        "empty": folder / "empty", "locked": locked, "locked_file": folder / "locked_file", "id_block": folder / "id_block", "id_auth": folder / "id_auth", "wrong_file": folder / "wrong", "repeated_file": folder / "repeated", "taken_port": taken,
        "url": broker.url, "ca": folder / "ca.pem", "other_ca": folder / "other_ca.pem",
        "token_file": broker.admin_token_path, "flipped": damaged(image, folder), "newer": newer(unpacked, folder),
        "damaged_bundle": damaged_bundle(bundle, folder), "plain_bundle": plain_bundle(bundle, folder), "luks_disk": luks_disk(folder, key_file),
    }


def check_error(row, error, fill):
    assert error["code"] == row["error"], error
    assert error["number"] == getattr(bartizan, "".join(word.capitalize() for word in row["error"].split("_"))).number
    assert error["reason"] == row.get("reason", ""), error
    assert fill(row.get("names", "")) in error["message"], error
    assert "\n" not in error["message"], error
    assert error["origin"], error


def check_result(row, result):
    assert "error" not in result, result
    assert {name: result.get(name) for name in row["result"]} == row["result"], result


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row["name"])
def test_bindings_agree(row, places, tmp_path):
    if row.get("needs", "").endswith("kvm") and not os.access("/dev/kvm", os.R_OK | os.W_OK):
        pytest.skip("no /dev/kvm")
    if row.get("needs") == "no hardware TEE" and any(tee.available for tee in bartizan.probe().tees[2:]):
        pytest.skip("this host has a hardware TEE")
    if row.get("needs") == "emulating kvm" and bartizan.probe().runs_stock_kernels:
        pytest.skip("this KVM runs 64-bit guests")
    if row.get("unprivileged") and UNPRIVILEGED and subprocess.run([*UNPRIVILEGED, "true"], capture_output=True).returncode != 0:
        pytest.skip("setpriv cannot drop capabilities here")
    results = {}
    for interface in [*DRIVERS, "cli"]:
        here = {**places, "new": tmp_path / interface.replace("+", "x")}

        def fill(text, here=here):
            return str(text).format(**here)

        results[interface] = run(interface, row, {name: fill(value) for name, value in row["arguments"].items()})
        if "error" in row:
            check_error(row, results[interface].get("error", results[interface]), fill)
        else:
            check_result(row, results[interface])
        if row.get("leaves_nothing"):
            assert not here["new"].exists(), f"{interface} left {here['new']}"
    compare(row, results, tmp_path)


def compare(row, results, tmp_path):
    """Word for word, but for what the row says varies, what the command line adds, and the folder that each interface had."""

    from_words = results["cli"].get("error", {}).get("origin") == "cli" if "cli" in results else False

    def plain(interface, result):
        if from_words:
            result = {**result, "error": {**result["error"], "origin": "cli"}}
        text = json.dumps(result).replace(str(tmp_path / interface.replace("+", "x")), "NEW")
        return {name: value for name, value in json.loads(text).items() if name not in row.get("varies", [])}

    for one, two in itertools.combinations(results, 2):
        left, right = plain(one, results[one]), plain(two, results[two])
        common = left.keys() & right.keys()
        assert common, (one, two)
        assert {name: left[name] for name in common} == {name: right[name] for name in common}, (one, two)
        if "cli" not in (one, two):
            assert left.keys() == right.keys(), (one, two)


def test_every_code_that_a_caller_can_cause_is_in_the_table():
    """The others need a fault of the host, a peer or ours: timed_out, cancelled, protocol, io's kin, internal."""
    assert {row["error"] for row in TABLE if "error" in row} >= {
        "invalid_argument", "not_found", "already_exists", "permission_denied", "unsupported", "io", "corrupt", "verification_failed"}
