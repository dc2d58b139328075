"""The command line: python -m bartizan.device_plugin."""

import argparse
import json
import pathlib
import signal
import sys
import threading
import time
from typing import Any, Dict, List, Optional

import bartizan
from bartizan.device_plugin._places import RESOURCES, Places, count_places, parse_offer

PROGRAM = "bartizan.device_plugin"
FOLDER = "/var/lib/kubelet/device-plugins"
TEND_S = 1  # how soon a kubelet that was started again is noticed
DESCRIPTION = """Offers the TEEs of this host to the kubelet: bartizan.dev/snp, /sev, /sev-es and
/tdx, each with as many places as the host has. Ends at SIGTERM. Set-up: docs/runtimes.md."""
HELP_OFFER = """a TEE to offer, and how many of its places; repeatable. Default: snp, sev, sev-es
and tdx, all of each; guests of snp and sev-es take the same places, so sev-es has none beside snp
unless they are divided. simulated=COUNT: for development"""
Offers = Dict[str, Optional[int]]


def arguments(words: Optional[List[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"python -m {PROGRAM}", description=DESCRIPTION)
    add = parser.add_argument
    add("--offer", metavar="TEE[=COUNT]", action="append", type=offer, default=[], help=HELP_OFFER)
    add("--folder", metavar="FOLDER", type=pathlib.Path, default=pathlib.Path(FOLDER),
        help=f"where the kubelet's socket is, and ours (default: {FOLDER})")
    add("--interval", metavar="SECONDS", type=seconds, default=10,
        help="between two probes of the host, 1 to 3600 (default: 10)")
    add("--kvm-device", metavar="FILE", default="/dev/kvm", help="default: /dev/kvm")
    add("--json", action="store_true",
        help="one JSON object a line on standard output, instead of texts on standard error")
    return parser.parse_args(words)


def offer(text: str) -> Offers:
    try:
        return parse_offer(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def seconds(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= 3600):
        raise argparse.ArgumentTypeError(f"{text!r}: 1 to 3600 seconds")
    return int(text)


def as_json(event: str, text: str, **facts: Any) -> None:
    print(json.dumps({"event": event, "text": text, **facts}), flush=True)


def as_text(event: str, text: str, **_: Any) -> None:
    print(f"{PROGRAM}: {text}", file=sys.stderr, flush=True)


class DevicePlugin:
    """Probes the host at intervals and keeps the kubelet informed, until `stop` is set."""

    def __init__(self, services: Dict[str, Any], offers: Offers, kvm_device: str,
                 interval: float) -> None:
        self.services, self.offers = services, offers
        self.kvm_device, self.interval = kvm_device, interval
        self.counts = {tee: 0 for tee in offers}
        self.next_probe = 0.0

    def run(self, stop: threading.Event) -> None:
        try:
            while not stop.is_set():
                if time.monotonic() >= self.next_probe:
                    self.probe()
                    self.next_probe = time.monotonic() + self.interval
                for service in self.services.values():
                    service.tend()
                stop.wait(TEND_S)
        finally:
            for service in self.services.values():
                service.stop()

    def probe(self) -> None:
        try:
            found = count_places(bartizan.probe(kvm_device=self.kvm_device), self.offers)
        except bartizan.Error as error:
            found = {tee: Places(0, 0, str(error)) for tee in self.offers}
        for tee, places in found.items():
            # What was offered once stays on the list: a pod may have it.
            self.counts[tee] = max(self.counts[tee], places.count)
            self.services[tee].update(Places(self.counts[tee], places.healthy, places.reason))


def main(words: Optional[List[str]] = None) -> int:
    chosen = arguments(words)
    try:
        from bartizan.device_plugin._service import Replaced, Service
    except ImportError as error:
        advice = "install what it needs with `pip install 'bartizan[kubernetes]'`"
        as_text("error", f"{error}: {advice}")
        return 1
    offers: Offers = {}
    for each in chosen.offer or [{tee: None} for tee in RESOURCES]:
        offers.update(each)
    log = as_json if chosen.json else as_text
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        if not chosen.folder.is_dir():
            raise ValueError(f"{chosen.folder}: no such folder: mount the kubelet's, or name it "
                             "with --folder")
        services = {tee: Service(tee, chosen.folder, chosen.kvm_device, log) for tee in offers}
        DevicePlugin(services, offers, chosen.kvm_device, chosen.interval).run(stop)
    except (ValueError, Replaced) as error:
        log("error", str(error), error=str(error))
        return 1
    log("stopped", "ended by a signal")
    return 0


if __name__ == "__main__":
    sys.exit(main())
