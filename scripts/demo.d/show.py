"""What the demo shows: steps with their time, a spinner on a terminal, and the table of claims."""

import contextlib
import sys
import threading
import time

TERMINAL = sys.stderr.isatty()


@contextlib.contextmanager
def step(title):
    """Prints the title at once, a running clock while it lasts (a dot every five seconds off a terminal), then the time."""
    start = time.monotonic()
    done = threading.Event()

    def tick():
        interval = 0.2 if TERMINAL else 5.0
        while not done.wait(interval):
            if TERMINAL:
                print(f"\r  {title} … {time.monotonic() - start:.0f} s ", end="", file=sys.stderr, flush=True)
            else:
                print(".", end="", file=sys.stderr, flush=True)

    print(f"  {title} …", end="" if TERMINAL else " ", file=sys.stderr, flush=True)
    ticker = threading.Thread(target=tick, daemon=True)
    ticker.start()
    try:
        yield
    finally:
        done.set()
        ticker.join()
        print(f"\r  {title} … {time.monotonic() - start:.1f} s" if TERMINAL else f"{time.monotonic() - start:.1f} s",
              file=sys.stderr, flush=True)


def say(text):
    print(f"  {text}", file=sys.stderr, flush=True)


def title(text):
    print(f"\n{text}", file=sys.stderr, flush=True)


class Claims:
    """The table at the end: one line a claim, with what was seen."""

    def __init__(self):
        self.rows = []

    def add(self, claim, held, seen=""):
        self.rows.append({"claim": claim, "ok": bool(held), "seen": str(seen)})

    def table(self):
        colour = sys.stdout.isatty()
        width = max(len(row["claim"]) for row in self.rows)
        lines = []
        for row in self.rows:
            word = "ok    " if row["ok"] else "FAILED"
            if colour:
                word = f"\033[{32 if row['ok'] else 31}m{word}\033[0m"
            lines.append(f"{word}  {row['claim']:<{width}}  {row['seen']}".rstrip())
        return "\n".join(lines)

    def all_hold(self):
        return bool(self.rows) and all(row["ok"] for row in self.rows)
