"""How many places each TEE has on this host, by the probe and by the operator. No gRPC here."""

import dataclasses
from typing import Dict, List, Optional

from bartizan import HostProbe, TeeProbe

RESOURCES = ("snp", "sev", "sev-es", "tdx")  # in the order in which those of a pool take places
DEVELOPMENT = ("simulated",)  # no host counts its places: only with a count
_POOLS = {"snp": "sev_es", "sev-es": "sev_es"}  # guests of both take the ASIDs of SEV-ES
# More than any processor has; a count above it is a mistake, and the kubelet would list them all.
MAX_PLACES = 4096


@dataclasses.dataclass(frozen=True)
class Places:
    """The first `healthy` of `count` places can be given out."""

    count: int
    healthy: int
    reason: str = ""  # why not all are healthy; empty if they are


def parse_offer(text: str) -> Dict[str, Optional[int]]:
    """{TEE: count} of "TEE" or "TEE=COUNT"; None: all of the host. ValueError: what is wrong."""
    tee, equals, number = text.partition("=")
    if tee not in RESOURCES + DEVELOPMENT:
        raise ValueError(f"{tee!r}: no such TEE; there are {', '.join(RESOURCES + DEVELOPMENT)}")
    if not equals and tee in DEVELOPMENT:
        raise ValueError(f"{tee}: no host counts its places: give {tee}=COUNT")
    if not equals:
        return {tee: None}
    if not (number.isascii() and number.isdigit() and 1 <= int(number[:9]) <= MAX_PLACES):
        raise ValueError(f"{text!r}: a count is 1 to {MAX_PLACES}")
    return {tee: int(number)}


def count_places(host: HostProbe, offers: Dict[str, Optional[int]]) -> Dict[str, Places]:
    """Places of each TEE that is offered. Those of a pool of ASIDs are never given out twice: what
    one TEE takes, the next in RESOURCES does not have."""
    probes = {_name_of(each): each for each in host.tees}
    left: Dict[str, int] = {}
    return {
        tee: _places_of(probes[tee], offers[tee], left)
        for tee in RESOURCES + DEVELOPMENT
        if tee in offers
    }


def _name_of(probe: TeeProbe) -> str:
    return probe.tee.name.replace("_", "-")


def _places_of(probe: TeeProbe, wanted: Optional[int], left: Dict[str, int]) -> Places:
    tee = _name_of(probe)
    # To the probe a host whose places are all in use is not available. To the kubelet, which knows
    # by whom, it is healthy. What else may be missing shows when a place is free again.
    full = 0 < probe.capacity <= probe.in_use
    if not probe.available and not full:
        return Places(wanted or 0, 0, f"{probe.missing}; {probe.advice}")
    if probe.capacity == 0:
        return _places_without_count(tee, wanted)
    pool = _POOLS.get(tee, tee)
    free = left.get(pool, min(probe.capacity, MAX_PLACES))
    taken = free if wanted is None else min(wanted, free)
    left[pool] = free - taken
    count = taken if wanted is None else wanted
    if taken == count > 0:
        return Places(count, taken)
    return Places(
        count,
        taken,
        f"the host has {probe.capacity} places, and {free} of them are left for {tee}: divide "
        "them, for example by --offer snp=COUNT --offer sev-es=COUNT",
    )


def _places_without_count(tee: str, wanted: Optional[int]) -> Places:
    if wanted is not None:
        return Places(wanted, wanted)
    return Places(
        0,
        0,
        "this host has no count of places: let this process see the host's "
        f"/sys/fs/cgroup/misc.capacity, or give --offer {tee}=COUNT",
    )


def device_ids(tee: str, places: Places) -> List[str]:
    return [f"{tee}-{number}" for number in range(places.count)]
