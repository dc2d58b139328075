"""guests.py CASE IMAGE BUNDLE KEY_FILE: machines on libfake_kvm.so, with the Python package. Prints what test_guests.py
expects of every interface."""

import asyncio
import os
import pathlib
import sys
import threading
import time

import bartizan

BEFORE_S = 0.3  # until the other thread waits


def machine(image, bundle, key_file, **options):
    context = bartizan.Context(bundle=bundle, kvm_device="/fake/kvm", **options)
    context.attach_image(image, disk_key=pathlib.Path(key_file).read_bytes().rstrip(b"\n"))
    return context


def started(*arguments):
    context = machine(*arguments)
    context.start()
    return context


def close(*arguments):
    ends = []
    with started(*arguments) as context:
        waiter = threading.Thread(target=lambda: ends.append(context.wait()))
        waiter.start()
        time.sleep(BEFORE_S)
        before = time.monotonic()
    waiter.join(20)
    print(f"{ends[0]}, {'within a second' if time.monotonic() - before < 1 else 'late'}")
    assert context.wait() == ends[0]


def refused(call):
    try:
        call()
    except bartizan.InvalidState as error:
        return "forked" in str(error)
    return False


def fork(*arguments):
    context = started(*arguments)
    child = os.fork()
    if child == 0:
        told = all(refused(call) for call in (context.wait, context.start, context.fileno, context.request_stop, context.stats))
        context.close()
        del context
        os._exit(0 if told else 1)
    _, status = os.waitpid(child, 0)
    print(f"child {status}, guest {context.wait(20)}")


def stop_before(*arguments):
    context = machine(*arguments)
    context.request_stop()
    for call in (context.start, lambda: context.wait(0)):
        try:
            call()
        except bartizan.Error as error:
            print(error.code)


def size(*arguments):
    print(machine(*arguments).memory_size)
    print(machine(*arguments, ram_mib=512).memory_size)


def exit_of_the_interpreter(*arguments):
    """With a log function, a waiting daemon and nobody who closes."""
    context = machine(*arguments, log=lambda level, line: None)
    context.start()
    threading.Thread(target=context.wait, daemon=True).start()
    time.sleep(BEFORE_S)
    print("running")
    sys.modules["kept"] = context


def await_(*arguments):
    async def main():
        context = started(*arguments)
        before = threading.active_count()
        try:
            await asyncio.wait_for(context.wait_async(), BEFORE_S)
        except asyncio.TimeoutError:
            print("cancelled after a while, 1 thread more or less:", threading.active_count() != before)
        first, second = await asyncio.gather(context, context)
        print(first)
        print(second)

    asyncio.run(main())


def await_close(*arguments):
    async def main():
        context = started(*arguments)
        waiting = asyncio.ensure_future(context.wait_async())
        await asyncio.sleep(BEFORE_S)
        context.close()
        print(await waiting)

    asyncio.run(main())


def await_unstarted(*arguments):
    async def main():
        await machine(*arguments)

    try:
        asyncio.run(main())
    except bartizan.Error as error:
        print(type(error).__name__)


CASES = {"close": close, "fork": fork, "stop-before": stop_before, "size": size, "exit": exit_of_the_interpreter, "await": await_,
         "await-close": await_close, "await-unstarted": await_unstarted}

if __name__ == "__main__":
    CASES[sys.argv[1]](*sys.argv[2:])
