"""The broker's unit, its container and its configuration file: by systemd's own judgement, and by what this tree does."""

import json
import re
import shutil
import subprocess
import tomllib

import pytest

from source_tree import SOURCE

UNIT = SOURCE / "packaging/systemd/bartizan-broker.service"
CONTAINERFILE = SOURCE / "packaging/container/Containerfile"
MOST_EXPOSURE = 2.0
needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze: scripts/setup tests")


def unit():
    """Setting -> its values."""
    values = {}
    for name, value in re.findall(r"^(\w+)=(.*)$", UNIT.read_text(), re.M):
        values.setdefault(name, []).append(value)
    return values


def judged(path):
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", path], capture_output=True, text=True, timeout=60)
    found = re.search(r"Overall exposure level for .*: ([\d.]+)", done.stdout)
    assert found, done
    return float(found.group(1))


@needs_systemd
def test_the_unit_is_confined(tmp_path):
    assert judged(UNIT) <= MOST_EXPOSURE
    loose = tmp_path / UNIT.name  # the judgement can come out otherwise
    loose.write_text("\n".join(line for line in UNIT.read_text().splitlines() if not line.startswith(("Protect", "Private", "SystemCall"))))
    assert judged(loose) > MOST_EXPOSURE


@needs_systemd
def test_the_unit_is_understood(tmp_path):
    """systemd ignores what it does not know, with a warning that nobody reads; the program is another here."""
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text().replace("/usr/bin/bartizan", "/usr/bin/true").replace("man:bartizan-broker(1)", ""))
    done = subprocess.run(["systemd-analyze", "verify", copy], capture_output=True, text=True, timeout=60)
    about = [line for line in done.stderr.splitlines() if UNIT.name in line]
    assert not about, about


def test_unit_user_and_configuration_agree():
    settings = unit()
    user = re.search(r"^u (\S+) ", (UNIT.parent / "bartizan-broker.sysusers").read_text(), re.M).group(1)
    assert settings["User"] == [user] and settings["Group"] == [user]
    configured = tomllib.loads((SOURCE / "packaging/broker.toml").read_text())
    assert configured["state"] == f"/var/lib/{settings['StateDirectory'][0]}"
    assert settings["KillSignal"] == ["SIGTERM"] and settings["Restart"] == ["on-failure"]


INSTRUCTIONS = {"FROM", "COPY", "WORKDIR", "RUN", "USER", "VOLUME", "EXPOSE", "STOPSIGNAL", "ENTRYPOINT", "CMD"}


def container():
    """(instruction, text) in order, as a builder joins the lines."""
    lines = [line for line in CONTAINERFILE.read_text().splitlines() if not line.startswith("#")]
    return [line.split(maxsplit=1) for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines() if line.strip()]


def test_the_container_is_not_root_and_keeps_its_state_in_a_volume():
    lines = container()
    assert {name for name, _ in lines} <= INSTRUCTIONS
    final = lines[max(i for i, (name, _) in enumerate(lines) if name == "FROM"):]
    values = {name: text for name, text in final}
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", values["USER"])
    words = json.loads(values["ENTRYPOINT"]) + json.loads(values["CMD"])
    assert words[:2] == ["/usr/bin/bartizan", "broker"] and words[words.index("--state") + 1] == values["VOLUME"]
    assert words[words.index("--listen") + 1].endswith(":" + values["EXPOSE"])
    options = tomllib.loads((SOURCE / "api/cli.toml").read_text())["commands"]["broker"]["option"]
    assert {word for word in words if word.startswith("--")} <= {option["flag"] for option in options}
    assert values["STOPSIGNAL"] == "SIGTERM"
    for name, text in lines:
        for source in re.findall(r"^(?!--from)(\S+) ", text) if name == "COPY" else []:
            assert (SOURCE / source).exists(), source
        if name == "RUN":
            done = subprocess.run(["sh", "-n", "-c", text], capture_output=True, text=True)
            assert done.returncode == 0, (text, done.stderr)


# ---- docs/broker.md

PAGE = (SOURCE / "docs/broker.md").read_text()


def reasons():
    """The words by which the verifier and the broker refuse, of their sources: each ends the call of a check."""
    found = set()
    for path in [*(SOURCE / "src/attest/verify").glob("*.cpp"), *(SOURCE / "src/attest/broker").glob("s*.cpp")]:
        text = path.read_text()
        found |= set(re.findall(r'\{"([a-z_]+)",\s+"[^"]* ', text))  # {reason, sentence}
        found |= set(re.findall(r'check_(?:each|one_of|bits)\([^;]*?"[^"]+",\s*"([a-z_]+)"', text))
        found |= set(re.findall(r'refused\(\s*(?:kOrigin|std::string\(kOrigin\)),\s*"([a-z_]+)"', text))
    return found


def test_every_reason_of_a_refusal_is_explained():
    known = reasons()
    assert len(known) > 25 and {"host_data", "measurement", "revoked", "registration", "expired", "tcb_status"} <= known, known
    explained = set(re.findall(r"`([a-z_]+)`", PAGE[PAGE.index("## Reasons of refusals"):PAGE.index("## Upgrade")]))
    assert not known - explained, sorted(known - explained)


def test_every_metric_of_the_page_exists():
    source = (SOURCE / "src/attest/broker/front.cpp").read_text()
    named = set(re.findall(r"`bartizan_([a-z_]+)", PAGE))
    assert len(named) >= 6
    for name in named - {"broker"}:
        assert f'"{name}"' in source, name


def test_every_option_of_the_broker_is_in_the_page():
    options = tomllib.loads((SOURCE / "api/cli.toml").read_text())["commands"]["broker"]["option"]
    table = PAGE[PAGE.index("## Configuration"):PAGE.index("## Certificates")]
    for option in options:
        assert f"{option['flag'].removeprefix('--')}" in table, option
