"""Turns the statistics of the two launches of boot.sh into "name value unit" lines."""

import json
import pathlib
import sys


def stats(folder, tee):
    lines = (folder / f"{tee}.json").read_text().splitlines()
    return next(found["stats"] for found in map(json.loads, filter(None, lines)) if "stats" in found)


def by_kind(name, kinds):
    for kind, count in kinds.items():
        print(f"{name}_{kind} {count} exits")


def main(folder):
    for tee, suffix in (("none", ""), ("simulated", "_simulated")):
        found = stats(folder, tee)
        print(f"exits_to_pid1{suffix} {found['exits_to_pid1']} exits")
        by_kind(f"exits_to_pid1{suffix}", found["pid1_exits_by_kind"])
        print(f"exits_to_workload{suffix} {found['exits_to_workload']} exits")
        by_kind(f"exits_to_workload{suffix}", found["workload_exits_by_kind"])
        print(f"shared_pages{suffix} {found['shared_pages']} pages")
        print(f"private_page_refusals{suffix} {found['private_page_refusals']} count")


main(pathlib.Path(sys.argv[1]))
