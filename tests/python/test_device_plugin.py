"""The device plugin against a stand-in of the kubelet (kubelet.py) on hosts that a list of probes plays."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import types

import grpc
import pytest
from kubelet import TIME_LIMIT_S, Kubelet, Watch

import bartizan
from bartizan.device_plugin import __main__ as program
from bartizan.device_plugin._places import MAX_PLACES, Places, count_places, parse_offer
from bartizan.device_plugin._service import MAX_WATCHERS, Service

ALL = {"snp": None, "sev": None, "sev-es": None, "tdx": None}


def tee(name, available=True, capacity=0, in_use=0, missing="/dev/sev: not there", advice="load the ccp module"):
    lacks = {"missing": "", "advice": ""} if available else {"missing": missing, "advice": advice}
    return types.SimpleNamespace(tee=getattr(bartizan.Tee, name), available=available, capacity=capacity, in_use=in_use, **lacks)


def host(**given):
    """The named TEEs are as given, the others are not there."""
    names = ("none", "simulated", "sev", "sev_es", "snp", "tdx")
    probes = {name: tee(name, False, missing="no module") for name in names}
    probes.update({name: tee(name, **its) for name, its in given.items()})
    return types.SimpleNamespace(tees=list(probes.values()))


EPYC = {"snp": {"capacity": 99}, "sev_es": {"capacity": 99}, "sev": {"capacity": 410}}


# ---- how many places

def test_places_are_those_of_the_probe():
    places = count_places(host(**EPYC), ALL)
    assert places["snp"] == Places(99, 99)
    assert places["sev"] == Places(410, 410)
    assert (places["tdx"].count, places["tdx"].healthy) == (0, 0) and "no module; load" in places["tdx"].reason
    assert count_places(host(tdx={"capacity": 31}), ALL)["tdx"] == Places(31, 31)


def test_asids_of_snp_and_sev_es_are_given_out_once():
    places = count_places(host(**EPYC), ALL)
    assert places["sev-es"].count == 0 and "--offer snp=COUNT" in places["sev-es"].reason
    divided = count_places(host(**EPYC), {"snp": 80, "sev-es": 30})
    assert divided["snp"] == Places(80, 80)
    assert (divided["sev-es"].count, divided["sev-es"].healthy) == (30, 19)
    without = count_places(host(sev_es={"capacity": 99}), ALL)
    assert without["sev-es"] == Places(99, 99)


def test_a_full_host_is_healthy():
    assert count_places(host(snp={"available": False, "capacity": 9, "in_use": 9}), {"snp": None})["snp"] == Places(9, 9)
    lacking = count_places(host(snp={"available": False, "capacity": 9, "in_use": 8}), {"snp": 4})["snp"]
    assert lacking == Places(4, 0, "/dev/sev: not there; load the ccp module")


def test_a_host_that_tells_no_count():
    assert "misc.capacity" in count_places(host(snp={}), {"snp": None})["snp"].reason
    assert count_places(host(snp={}), {"snp": 5})["snp"] == Places(5, 5)
    assert count_places(host(snp={"capacity": 2**63}), {"snp": None})["snp"].count == MAX_PLACES


@pytest.mark.parametrize("word, line", [("sgx", "no such TEE; there are snp, sev, sev-es, tdx, simulated"), ("snp=0", "1 to 4096"), ("snp=", "1 to 4096"),
                                        ("snp=4097", "1 to 4096"), ("snp=٣", "1 to 4096"), ("simulated", "give simulated=COUNT")])
def test_offers_that_are_refused(word, line, capsys):
    with pytest.raises(ValueError, match=line):
        parse_offer(word)
    with pytest.raises(SystemExit) as ended:
        program.arguments(["--offer", word])
    assert ended.value.code == 2 and line in capsys.readouterr().err


# ---- towards the kubelet

class Running:
    """The plugin's loop in a thread, on hosts that the test sets."""

    def __init__(self, folder, monkeypatch, first, offers=ALL):
        self.host, self.events = first, []
        monkeypatch.setattr(bartizan, "probe", self.probe)
        monkeypatch.setattr(program, "TEND_S", 0.05)
        self.services = {name: Service(name, folder, "/dev/kvm", self.log) for name in offers}
        self.stop = threading.Event()
        plugin = program.DevicePlugin(self.services, offers, "/dev/kvm", 0.05)
        self.thread = threading.Thread(target=plugin.run, args=[self.stop])
        self.thread.start()

    def probe(self, kvm_device):
        if isinstance(self.host, Exception):
            raise self.host
        return self.host

    def log(self, event, text, **facts):
        self.events.append((event, text))

    def end(self):
        self.stop.set()
        self.thread.join(TIME_LIMIT_S)
        assert not self.thread.is_alive()


@pytest.fixture
def folder():
    path = pathlib.Path(tempfile.mkdtemp(prefix="dp"))  # sockets want short names
    yield path
    shutil.rmtree(path)


@pytest.fixture
def run(folder, monkeypatch):
    running = []

    def run(*words, **options):
        running.append(Running(folder, monkeypatch, *words, **options))
        return running[-1]

    yield run
    for each in running:
        each.end()


@pytest.fixture
def kubelet(folder):
    kubelets = [Kubelet(folder)]

    def another(**options):
        kubelets[-1].stop()
        kubelets.append(Kubelet(folder, **options))
        return kubelets[-1]

    kubelets[0].another = another
    yield kubelets[0]
    kubelets[-1].stop()


def test_registration_list_and_allocation(run, kubelet, folder):
    plugin = run(host(**EPYC))
    found = [kubelet.registered(), kubelet.registered()]
    assert found == [{"version": "v1beta1", "endpoint": f"bartizan-{name}.sock", "resource": f"bartizan.dev/{name}"} for name in ("snp", "sev")]
    assert kubelet.call("bartizan-snp.sock", "GetDevicePluginOptions") == b""  # asks for no other call
    watch = Watch(kubelet, "bartizan-snp.sock")
    assert watch.next() == {f"snp-{number}": "Healthy" for number in range(99)}
    nodes = [("/dev/kvm", "/dev/kvm", "rw"), ("/dev/sev", "/dev/sev", "rw")]
    assert kubelet.allocate("bartizan-snp.sock", ["snp-0"], ["snp-98", "snp-1"]) == [(nodes, {"org.bartizan.tee": "snp"})] * 2
    assert (folder / "bartizan-snp.sock").stat().st_mode & 0o777 == 0o600
    plugin.end()
    assert watch.next() == "end"
    watch.close()
    assert [path.name for path in folder.iterdir()] == ["kubelet.sock"]


def test_tdx_needs_kvm_alone(run, kubelet):
    run(host(tdx={"capacity": 31}))
    assert kubelet.registered()["resource"] == "bartizan.dev/tdx"
    assert kubelet.allocate("bartizan-tdx.sock", ["tdx-30"]) == [([("/dev/kvm", "/dev/kvm", "rw")], {"org.bartizan.tee": "tdx"})]


@pytest.mark.parametrize("names, code, line", [(["snp-2"], "NOT_FOUND", "'snp-2': no such device; there are 2"), (["sev-0"], "NOT_FOUND", "no such device"),
                                               ([], "INVALID_ARGUMENT", "no device"), (["snp-0", "snp-0"], "INVALID_ARGUMENT", "one twice"),
                                               (["snp-1"], "FAILED_PRECONDITION", "snp-1 cannot be given out: the host has 1 places")])
def test_allocations_that_are_refused(run, kubelet, names, code, line):
    run(host(snp={"capacity": 1}), offers={"snp": 2})
    kubelet.registered()
    with pytest.raises(grpc.RpcError) as refused:
        kubelet.allocate("bartizan-snp.sock", names)
    assert refused.value.code().name == code and line in refused.value.details()


def test_bytes_that_are_no_request_are_refused(run, kubelet):
    run(host(snp={"capacity": 1}))
    kubelet.registered()
    for request in (b"\xff\xff\xff", b"\x0a\x05ab"):
        with pytest.raises(grpc.RpcError):
            kubelet.call("bartizan-snp.sock", "Allocate", request)
    with pytest.raises(grpc.RpcError) as refused:
        kubelet.call("bartizan-snp.sock", "Allocate", b"\x12" + b"\xff\xff\x7f" + bytes(0x1fffff))  # longer than a request may be
    assert refused.value.code().name == "RESOURCE_EXHAUSTED"
    with pytest.raises(grpc.RpcError) as refused:
        kubelet.call("bartizan-snp.sock", "PreStartContainer")
    assert refused.value.code().name == "UNIMPLEMENTED"
    assert kubelet.allocate("bartizan-snp.sock", ["snp-0"])


def test_health_follows_the_probe(run, kubelet):
    plugin = run(host(snp={"capacity": 2}))
    kubelet.registered()
    watch = Watch(kubelet, "bartizan-snp.sock")
    assert watch.next() == {"snp-0": "Healthy", "snp-1": "Healthy"}
    plugin.host = host(snp={"available": False})
    assert watch.next() == {"snp-0": "Unhealthy", "snp-1": "Unhealthy"}
    plugin.host = host(snp={"capacity": 3})
    assert watch.next() == {f"snp-{number}": "Healthy" for number in range(3)}
    plugin.host = bartizan.Internal("the probe itself fails")
    assert watch.next() == {f"snp-{number}": "Unhealthy" for number in range(3)}
    assert "the probe itself fails" in plugin.events[-1][1]
    plugin.host = host(snp={"capacity": 1})  # fewer than before: what was there stays on the list
    assert watch.next() == {"snp-0": "Healthy", "snp-1": "Unhealthy", "snp-2": "Unhealthy"}
    watch.close()


def test_streams_are_bounded_and_a_reader_that_left_makes_room(run, kubelet):
    run(host(snp={"capacity": 1}))
    kubelet.registered()
    watches = [Watch(kubelet, "bartizan-snp.sock") for _ in range(MAX_WATCHERS)]
    assert [watch.next() for watch in watches] == [{"snp-0": "Healthy"}] * MAX_WATCHERS
    more = Watch(kubelet, "bartizan-snp.sock")
    assert more.next() == grpc.StatusCode.RESOURCE_EXHAUSTED
    more.close()
    assert kubelet.allocate("bartizan-snp.sock", ["snp-0"])  # beside them
    watches.pop().close()
    for _ in range(50):
        watches.append(Watch(kubelet, "bartizan-snp.sock"))
        if (answer := watches[-1].next()) != grpc.StatusCode.RESOURCE_EXHAUSTED:
            break
        time.sleep(0.1)
    assert answer == {"snp-0": "Healthy"}
    for watch in watches:
        watch.close()


def test_kubelet_that_is_started_again(run, kubelet, folder):
    plugin = run(host(snp={"capacity": 2}))
    kubelet.registered()
    watch = Watch(kubelet, "bartizan-snp.sock")
    watch.next()
    second = kubelet.another()  # removes our socket
    assert second.registered()["resource"] == "bartizan.dev/snp"
    assert watch.next() == "end"
    watch.close()
    again = Watch(second, "bartizan-snp.sock")
    assert again.next() == {"snp-0": "Healthy", "snp-1": "Healthy"}
    assert second.allocate("bartizan-snp.sock", ["snp-1"])
    (folder / "bartizan-snp.sock").unlink()  # by whomever
    assert second.registered()["endpoint"] == "bartizan-snp.sock"
    again.close()
    assert [event for event, _ in plugin.events].count("error") == 0


def test_kubelet_that_refuses_is_asked_again_and_reported_once(run, kubelet, folder, monkeypatch):
    monkeypatch.setattr("bartizan.device_plugin._service.RETRY_S", (0.1,))
    refusing = kubelet.another(refuse="unsupported version")
    plugin = run(host(snp={"capacity": 2}))
    for _ in range(400):
        if any(event == "error" for event, _ in plugin.events):
            break
        time.sleep(0.05)
    time.sleep(1)  # more tries
    refusing.refuse = None
    refusing.registered()
    errors = [line for event, line in plugin.events if event == "error"]
    assert errors == [f"bartizan.dev/snp: registration with the kubelet at {folder}/kubelet.sock: unsupported version; will try again"]


def test_plugin_that_was_there_before_the_kubelet_and_the_tee(run, folder):
    plugin = run(host())
    kubelet = Kubelet(folder)
    plugin.host = host(sev={"capacity": 7})
    assert kubelet.registered()["resource"] == "bartizan.dev/sev"
    kubelet.stop()


# ---- the program

@pytest.fixture
def call():
    processes = []

    def call(*words, **options):
        command = [sys.executable, "-m", "bartizan.device_plugin", *map(str, words)]
        processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options))
        return processes[-1]

    yield call
    for process in processes:
        if process.poll() is None:
            process.kill()
            process.communicate()


def test_program_on_this_host_until_sigterm(call, kubelet, folder):
    """The real probe: the simulated TEE is as healthy as it says."""
    process = call("--folder", folder, "--offer", "simulated=2", "--json")
    health = {each.tee: each.available for each in bartizan.probe().tees}[bartizan.Tee.simulated]
    assert kubelet.registered()["resource"] == "bartizan.dev/simulated"
    watch = Watch(kubelet, "bartizan-simulated.sock")
    assert watch.next() == {f"simulated-{number}": "Healthy" if health else "Unhealthy" for number in range(2)}
    process.send_signal(signal.SIGTERM)
    output, errors = process.communicate(timeout=TIME_LIMIT_S)
    assert process.returncode == 0 and errors == "", errors
    assert [json.loads(line)["event"] for line in output.splitlines()] == ["places", "registered", "stopped"]
    assert watch.next() == "end"
    watch.close()
    assert not (folder / "bartizan-simulated.sock").exists()


def test_program_whose_socket_another_one_took_ends(call, kubelet, folder):
    first = call("--folder", folder, "--offer", "simulated=1")
    kubelet.registered()
    second = call("--folder", folder, "--offer", "simulated=1")
    kubelet.registered()
    _, errors = first.communicate(timeout=TIME_LIMIT_S)
    assert first.returncode == 1 and f"another process listens at {folder}/bartizan-simulated.sock" in errors, errors
    # gRPC of the first removes what is at its socket's name, as it ends: the second notices and registers again.
    for _ in range(100):
        with contextlib.suppress(grpc.RpcError):
            kubelet.call("bartizan-simulated.sock", "GetDevicePluginOptions")
            break
        time.sleep(0.2)
    assert second.poll() is None and kubelet.call("bartizan-simulated.sock", "GetDevicePluginOptions") == b""
    second.terminate()
    second.communicate(timeout=TIME_LIMIT_S)
    assert second.returncode == 0


def test_program_without_the_kubelets_folder(call, folder):
    process = call("--folder", folder / "none")
    _, errors = process.communicate(timeout=TIME_LIMIT_S)
    assert process.returncode == 1
    assert errors == f"bartizan.device_plugin: {folder}/none: no such folder: mount the kubelet's, or name it with --folder\n"


@pytest.mark.parametrize("missing", ["grpc", "google"])
def test_program_without_the_extra_says_what_to_install(call, folder, missing):
    (folder / missing).mkdir()
    (folder / missing / "__init__.py").write_text(f"raise ModuleNotFoundError('No module named {missing}')")
    process = call(env={**os.environ, "PYTHONPATH": str(folder)})
    _, errors = process.communicate(timeout=TIME_LIMIT_S)
    assert process.returncode == 1
    assert errors == f"bartizan.device_plugin: No module named {missing}: install what it needs with `pip install 'bartizan[kubernetes]'`\n"
