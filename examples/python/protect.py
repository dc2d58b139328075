"""Makes a confidential image with a scratch disk and a recovery passphrase, shows the ways into its disk, and verifies
it, with the Python package:

    python3 protect.py SOURCE OUTPUT KEY_FILE RECOVERY_FILE

SOURCE: an OCI layout folder. KEY_FILE holds the disk key, RECOVERY_FILE the passphrase for people.
"""

import sys
from pathlib import Path

import bartizan


def protect(source, output, key, recovery):
    bartizan.build_image(
        source,
        output,
        disk_key=key,
        recovery_passphrase=recovery,
        scratch_bytes=64 << 20,  # what the workload writes goes there, not to memory
        host_may="output",  # of a workload that runs: neither input nor signals but the request to stop
    )
    info = bartizan.inspect_image(output)
    print(f"scratch disk: {info.scratch_bytes} bytes")
    for slot in info.luks.keyslots:
        print(f"key slot {slot.number}: {slot.kdf}")
    bartizan.verify_image(output, recovery)


def main(arguments):
    if len(arguments) != 4:
        print("usage: protect.py SOURCE OUTPUT KEY_FILE RECOVERY_FILE", file=sys.stderr)
        return 2
    source, output, *files = arguments
    try:
        protect(source, output, *(Path(file).read_bytes().removesuffix(b"\n") for file in files))
    except bartizan.Error as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
