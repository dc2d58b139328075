"""Launches a confidential image with the simulated TEE and waits for its end, with the Python package:

    python3 launch.py IMAGE BUNDLE [PASSPHRASE_FILE]

Without a key file the guest fetches its disk key from the image's broker. The workload's output is ours, and so is
its exit status.
"""

import sys
from pathlib import Path

import bartizan


def launch(image, bundle, disk_key=None):
    # vCPUs and RAM are the image's, which its owner measured, unless they are given here.
    options = {
        "bundle": bundle,
        "stdout_fd": sys.stdout.fileno(),
        "log": lambda level, line: print(line, file=sys.stderr),
    }
    with bartizan.Context(**options) as context:
        context.set_tee("simulated")
        context.attach_image(image, disk_key=disk_key)
        context.start()
        # It runs; this program could do something else, or put `context` into a selector.
        return context.wait()


def main(arguments):
    if len(arguments) < 2:
        print("usage: launch.py IMAGE BUNDLE [PASSPHRASE_FILE]", file=sys.stderr)
        return 2
    disk_key = Path(arguments[2]).read_bytes().removesuffix(b"\n") if len(arguments) > 2 else None
    try:
        reason = launch(arguments[0], arguments[1], disk_key)
    except bartizan.Error as error:
        print(error, file=sys.stderr)
        return 125
    print(reason, file=sys.stderr)
    return reason.process_status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
