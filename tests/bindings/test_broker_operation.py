"""The broker as its operator has it: the configuration file, the container's command, the end by SIGTERM."""

import contextlib
import json
import pathlib
import re
import shutil
import signal
import sqlite3
import subprocess
import tomllib

import pytest
from bartizan_fixtures import BUILD, SOURCE

CLI = BUILD / "src/cli/bartizan"
OPTIONS = tomllib.loads((SOURCE / "api/cli.toml").read_text())["commands"]["broker"]["option"]
SECONDS = 60


def run(*arguments, **options):
    return subprocess.run([str(CLI), *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS, **options)


@contextlib.contextmanager
def serving(*arguments, **options):
    """A broker, and what it printed; it ends by SIGTERM, with status 0."""
    process = subprocess.Popen([str(CLI), "broker", "--json", *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, **options)
    try:
        line = process.stdout.readline()
        assert line, process.communicate(timeout=SECONDS)
        yield json.loads(line)
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0, process.stderr.read()
    finally:
        process.kill()
        process.communicate()


# ---- the configuration file

def test_the_file_of_the_documents_has_every_option_and_serves(tmp_path):
    """Each is there, commented out or not, and all of them together serve."""
    text = (SOURCE / "packaging/broker.toml").read_text()
    full = re.sub(r"^#(?=[a-z-]+ = )", "", text, flags=re.M)
    flags = {option["flag"].removeprefix("--") for option in OPTIONS} - {"config"}
    assert set(tomllib.loads(full)) == flags
    (tmp_path / "collateral").mkdir()
    full = full.replace("/var/lib/bartizan-broker", "state").replace("127.0.0.1:8443", "127.0.0.1:0")
    full = full.replace("/etc/bartizan/collateral", "collateral")
    full = re.sub(r"^sev-root = .*", "sev-root = []", full, flags=re.M)
    (tmp_path / "broker.toml").write_text(full)
    with serving("--config", "broker.toml", cwd=tmp_path) as broker:
        assert broker["port"] != 0
    names = subprocess.run(["openssl", "x509", "-in", tmp_path / "state/tls.pem", "-noout", "-ext", "subjectAltName"], capture_output=True, text=True)
    assert "broker.example.org" in names.stdout and "192.0.2.7" in names.stdout, names


def test_every_option_of_the_file_counts(tmp_path):
    """A value that the option refuses is refused from the file too, by the option's name."""
    bad = {"state": "", "listen": "nowhere", "tls-name": "not a name", "sev-root": "/nonexistent/ark", "requests-per-second": "0",
           "request-burst": "0", "trusted-proxy": "10.0.0.0/99", "collateral": "/nonexistent/collateral"}
    for option in OPTIONS:
        name = option["flag"].removeprefix("--")
        if name in ("config", "verbose", "collateral"):
            continue  # collateral is read when evidence comes
        lines = {"state": str(tmp_path / "state"), "listen": "127.0.0.1:0"} | {name: bad[name]}
        (tmp_path / "broker.toml").write_text("".join(f'{key} = "{value}"\n' for key, value in lines.items()))
        done = run("broker", "--config", tmp_path / "broker.toml")
        assert done.returncode in (1, 2), (name, done)
        assert re.search(name.replace("tls-name", "TLS name"), done.stderr), (name, done)


def test_the_command_line_wins_over_the_file(tmp_path):
    (tmp_path / "broker.toml").write_text(f'state = "{tmp_path}/wrong"\nlisten = "127.0.0.1:1"\ntls-name = [\n  "a.example", # of the file\n  "b.example",\n]\n')
    with serving("--config", tmp_path / "broker.toml", "--state", tmp_path / "right", "--listen=127.0.0.1:0", "--tls-name", "c.example"):
        names = subprocess.run(["openssl", "x509", "-in", tmp_path / "right/tls.pem", "-noout", "-ext", "subjectAltName"], capture_output=True, text=True)
    assert not (tmp_path / "wrong").exists()
    assert "c.example" in names.stdout and "a.example" not in names.stdout, names


@pytest.mark.parametrize("text, words", [
    ('state = "s"\n\nlissten = "127.0.0.1:0"\n', 'line 3: "lissten": bartizan broker has no such option'),
    ('config = "other"\n', 'line 1: "config"'),
    ('help = true\n', 'line 1: "help"'),
    ('state = "s"\nstate = "t"\n', 'line 2: "state" is set twice'),
    ('state = ["s"]\n', 'line 1: "state": one value'),
    ('verbose = "yes"\n', 'line 1: "verbose": true or false'),
    ('state = true\n', 'line 1: "state": a text or a number'),
    ('[broker]\nstate = "s"\n', "line 1: a table"),
    ('# state\nstate = "s\n', "line 2: a text without its end"),
    ('state = s\n', "line 1: not of the form"),
    ('state = "s" listen = "t"\n', "line 1: not of the form"),
    ('tls-name = ["a" "b"]\n', "line 1: not of the form"),
    ('tls-name = ["a",\n', "line 2: not of the form"),
    ('state = "a\\nb"\n', "line 1: in \"…\" a backslash"),
    ('= 1\n', "line 1: not of the form"),
    ('state\n', "line 1: not of the form")])
def test_a_mistake_in_the_file_names_its_line(tmp_path, text, words):
    (tmp_path / "broker.toml").write_text(text)
    done = run("broker", "--config", "broker.toml", cwd=tmp_path)
    assert done.returncode == 2 and f"--config broker.toml, {words}" in done.stderr, done
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broker.toml"]


def test_a_file_that_is_not_there_is_named(tmp_path):
    done = run("broker", "--config", tmp_path / "none.toml", "--json")
    assert done.returncode == 1 and "--config" in json.loads(done.stdout)["error"]["message"], done
    assert run("broker", "--config", tmp_path).returncode != 0


def test_texts_mean_what_they_mean_in_toml(tmp_path):
    text = 'state = "with \\"quotes\\" and \\\\ # no comment"  # a comment\nlisten=\'127.0.0.1:0\'\r\n'
    folder = tomllib.loads(text)["state"]
    (tmp_path / "broker.toml").write_bytes(text.encode())
    with serving("--config", "broker.toml", cwd=tmp_path):
        assert (tmp_path / folder / "admin.token").exists()


# ---- the container

def entrypoint():
    text = (SOURCE / "packaging/container/Containerfile").read_text()
    return json.loads(re.search(r"^ENTRYPOINT (.*)$", text, re.M).group(1)) + json.loads(re.search(r"^CMD (.*)$", text, re.M).group(1))


def test_the_containers_command_serves(tmp_path):
    words = entrypoint()[2:]
    words[words.index("--state") + 1] = str(tmp_path / "state")
    words[words.index("--listen") + 1] = "0.0.0.0:0"
    with serving(*words) as broker:
        assert broker["url"].startswith("https://127.0.0.1:")


@pytest.mark.skipif("VERSION_ID=\"12\"" not in pathlib.Path("/etc/os-release").read_text(), reason="needs Debian 12, whose packages the container has")
def test_the_container_has_the_commands_libraries():
    listed = set(re.findall(r"\b(?:lib[\w.+-]+|zlib1g)", (SOURCE / "packaging/container/Containerfile").read_text())) | {"libc6", "libstdc++6", "libgcc-s1"}
    needed = re.findall(r"NEEDED +(\S+)", subprocess.run(["objdump", "-p", CLI], capture_output=True, text=True, check=True).stdout)
    loader = dict(re.findall(r"(\S+) => (/\S+)", subprocess.run(["ldd", CLI], capture_output=True, text=True, check=True).stdout))
    for name in needed:
        if name not in loader:
            continue  # the loader itself
        path = loader[name]
        paths = [path, path.removeprefix("/usr"), f"/usr{path}"]
        found = [done.stdout.split(":")[0] for done in (subprocess.run([shutil.which("dpkg"), "-S", each], capture_output=True, text=True) for each in paths)
                 if done.returncode == 0]
        assert not found or found[0] in listed, (name, found)


# ---- the certificate

def names_of(state):
    done = subprocess.run(["openssl", "x509", "-in", state / "tls.pem", "-noout", "-ext", "subjectAltName"], capture_output=True, text=True, check=True)
    return set(re.findall(r"(?:DNS|IP Address):(\S+?)(?:,|$)", done.stdout, re.M))


def test_a_certificate_gets_more_names_and_clients_go_on(tmp_path):
    """openssl's own client believes both, by the authority of the first start."""
    state = tmp_path / "state"
    with serving("--state", state, "--listen", "127.0.0.1:0") as first:
        assert first["certificate_expires"] > 2**30
    authority = (state / "ca.pem").read_bytes()
    with serving("--state", state, "--listen", "127.0.0.1:0", "--tls-name", "broker.example.org", "--verbose") as second:
        done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{second['port']}", "-CAfile", state / "ca.pem", "-verify_return_error",
                               "-verify_hostname", "broker.example.org", "-brief"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS)
        assert done.returncode == 0 and "Verification: OK" in done.stderr, done
    assert (state / "ca.pem").read_bytes() == authority
    assert names_of(state) == {"127.0.0.1", "10.0.2.2", "localhost", "broker.example.org"}
    assert (state / "ca.key").stat().st_mode & 0o777 == 0o600


def test_a_folder_without_the_authoritys_key_names_what_is_missing(tmp_path):
    state = tmp_path / "state"
    with serving("--state", state, "--listen", "127.0.0.1:0"):
        pass
    (state / "ca.key").unlink()
    with serving("--state", state, "--listen", "127.0.0.1:0"):
        pass
    done = run("broker", "--state", state, "--listen", "127.0.0.1:0", "--tls-name", "broker.example.org")
    assert done.returncode == 1 and "lacks the name broker.example.org" in done.stderr and "new folder" in done.stderr, done


# ---- backup, restore, check

def test_a_backup_of_a_serving_broker_serves_elsewhere(tmp_path):
    state, file, other = tmp_path / "state", tmp_path / "broker.backup", tmp_path / "other"
    with serving("--state", state, "--listen", "127.0.0.1:0"):
        done = run("broker", "backup", "--state", state, "--output", file)
        assert done.returncode == 0 and str(file) in done.stdout, done
        assert run("broker", "backup", "--state", state, "-o", file).returncode == 1  # it is there
        assert json.loads(run("broker", "check", "--state", state, "--json").stdout)["good"]
    assert file.stat().st_mode & 0o777 == 0o600
    assert run("broker", "restore", "--state", other, file).returncode == 0
    with serving("--state", other, "--listen", "127.0.0.1:0") as broker:
        # Its clients go on: authority and token are those of before.
        done = run("list", "--broker", broker["url"], "--ca", state / "ca.pem", "--token-file", state / "admin.token", "--json")
        assert done.returncode == 0 and json.loads(done.stdout) == [], done
    done = run("broker", "restore", "--state", other, file)
    assert done.returncode == 1 and "holds a broker" in done.stderr, done
    done = run("broker", "restore", "--state", tmp_path / "third", state / "ca.pem")
    assert done.returncode == 1 and not (tmp_path / "third").exists(), done


def test_check_names_what_is_wrong(tmp_path):
    state = tmp_path / "state"
    with serving("--state", state, "--listen", "127.0.0.1:0"):
        pass
    done = run("broker", "check", "--state", state)
    assert done.returncode == 0 and "WRONG" not in done.stdout and "certificates" in done.stdout, done
    (state / "tls.key").chmod(0o644)
    done = run("broker", "check", "--state", state)
    assert done.returncode == 1 and "WRONG" in done.stdout and "tls.key: mode 0644" in done.stdout, done
    assert run("broker", "check", "--state", tmp_path / "none").returncode == 1


@pytest.mark.parametrize("words, told", [
    (["broker"], "--state is required"), (["broker", "backup", "--state", "s"], "--output is required"),
    (["broker", "restore", "b"], "--state is required"), (["broker", "check"], "--state is required"),
    (["broker", "bakcup"], "broker: bakcup: no such command; did you mean backup?"),
    (["broker", "--state", "s", "check"], "--state is required")])
def test_commands_of_the_broker_want_their_own_options(tmp_path, words, told):
    done = run(*words, cwd=tmp_path)
    assert done.returncode == 2 and told in done.stderr, done
    assert not list(tmp_path.iterdir())


# ---- tokens

def test_a_token_may_what_its_scope_is(tmp_path):
    state = tmp_path / "state"
    with serving("--state", state, "--listen", "127.0.0.1:0", "--verbose") as broker:
        def ask(*words, token=state / "admin.token"):
            return run(*words, "--broker", broker["url"], "--ca", state / "ca.pem", "--token-file", token)

        made = ask("token", "create", "reader", "--scope", "read", "--expires", "2099-01-31", "--output", tmp_path / "reader")
        assert made.returncode == 0 and "reader" in made.stdout, made
        token = (tmp_path / "reader").read_text().strip()
        assert (tmp_path / "reader").stat().st_mode & 0o777 == 0o600 and len(token) == 64
        assert token not in made.stdout + made.stderr
        assert ask("list", token=tmp_path / "reader").returncode == 0
        refused = ask("unregister", "w", token=tmp_path / "reader")
        assert refused.returncode == 1 and 'token "reader" has scope read, and this needs scope admin' in refused.stderr, refused
        again = ask("token", "create", "reader", "--scope", "read", "--expires", "never", "--output", tmp_path / "second")
        assert again.returncode == 1 and "revoke it first" in again.stderr and not (tmp_path / "second").exists(), again
        # A token that could not be written down is none.
        lost = ask("token", "create", "lost", "--scope", "read", "--expires", "never", "--output", tmp_path / "reader")
        assert lost.returncode == 1, lost
        (one,) = json.loads(ask("token", "list", "--json").stdout)
        assert one["name"] == "reader" and one["scope"] == "read" and "token" not in one
        out = ask("token", "create", "piped", "--scope", "register", "--expires", "never", "--output", "-")
        assert len(out.stdout.strip()) == 64, out
        assert ask("token", "revoke", "reader").returncode == 0
        assert ask("list", token=tmp_path / "reader").returncode == 1
        for words in (["--scope", "all", "--expires", "never"], ["--scope", "read", "--expires", "soon"], ["--scope", "read", "--expires", "2020-01-01"]):
            assert ask("token", "create", "x", *words, "--output", tmp_path / "x").returncode != 0
            assert not (tmp_path / "x").exists()
    # A backup has hashes, as the store has.
    assert run("broker", "backup", "--state", state, "--output", tmp_path / "backup").returncode == 0
    assert token.encode() not in (tmp_path / "backup").read_bytes()


def test_a_broker_with_many_registrations_is_listed(tmp_path):
    """More than a guest would take in an answer."""
    state, many = tmp_path / "state", 5000
    with serving("--state", state, "--listen", "127.0.0.1:0"):
        pass
    with contextlib.closing(sqlite3.connect(state / "store.sqlite")) as store, store:
        store.executemany("INSERT INTO workloads VALUES(?, ?, ?, ?, 1, 0, 0, ?, 'snp', 1, 0, ?, '', '', 0)",
                          [(number.to_bytes(32, "big"), f"w{number}", number, json.dumps(["ab" * 48]), f"default/disk-key/w{number}", b"key")
                           for number in range(1, many + 1)])
    with serving("--state", state, "--listen", "127.0.0.1:0") as broker:
        done = run("list", "--broker", broker["url"], "--ca", state / "ca.pem", "--token-file", state / "admin.token", "--json")
        assert done.returncode == 0 and len(json.loads(done.stdout)) == many, done.stderr
        assert len(done.stdout) > 2**20
    assert run("broker", "check", "--state", state).returncode == 0
