"""Waiting in a coroutine: the guest's end is a descriptor, which the event loop watches."""

import asyncio
import os

from ._errors import TimedOut


async def wait_async(self):
    """Waits for the guest's end without blocking the event loop; `await context` does the same. Needs no thread.
    Cancelled, it leaves the guest running."""
    try:
        return self.wait(0)
    except TimedOut:
        pass
    # A duplicate: the loop knows one reader for each number, and close() must not pull it away.
    descriptor = os.dup(self.fileno())
    loop = asyncio.get_running_loop()
    ended = loop.create_future()
    try:
        loop.add_reader(descriptor, lambda: ended.done() or ended.set_result(None))
        await ended
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
    return self.wait(0)


def add_to(context_class):
    context_class.wait_async = wait_async
    context_class.__await__ = lambda self: self.wait_async().__await__()
