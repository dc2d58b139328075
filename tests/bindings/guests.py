"""guests.py CASE IMAGE BUNDLE KEY_FILE: machines on libfake_kvm.so, with the Python package. Prints what test_guests.py
expects of every interface."""

import asyncio
import gc
import os
import pathlib
import select
import sys
import threading
import time

import bartizan

BEFORE_S = 0.3  # until the other thread waits


def machine(image, bundle, key_file, **options):
    if "loaded_bundle" not in options:
        options["bundle"] = bundle
    context = bartizan.Context(kvm_device="/fake/kvm", **options)
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


def code_of(call, *arguments):
    try:
        call(*arguments)
    except bartizan.Error as error:
        return error.code


def taken(context):
    while select.select([context.event_fd()], [], [], 0)[0]:
        yield context.next_event()


def events_and_pause(*arguments):
    called = []
    with machine(*arguments, events=called.append) as context:
        context.start()
        context.wait_for("ready", 20)
        context.pause()
        print("paused:", code_of(context.wait, 1.2))
        context.resume()
        context.wait_for("exited", 20)
        print(context.wait(0))
        print("events:", *taken(context), -1 if context.next_event() is None else 0)
        print("attested:", code_of(context.wait_for, "attested"))
        print("pause:", code_of(context.pause))
    print("called:", *called)


def collected_in_a_callback(*arguments):
    """A log function that allocates has the garbage collector run on the machine's own thread."""
    class Owner:
        pass

    owner = Owner()
    owner.itself = owner
    unreferenced, reached = threading.Event(), threading.Event()

    def heard(event):
        if event == "ready":
            unreferenced.wait(20)
            gc.collect()
            reached.set()

    owner.context = machine(*arguments, events=heard)
    owner.context.start()
    del owner
    unreferenced.set()
    print("callback returned:", reached.wait(20))
    deadline = time.monotonic() + 20
    while len(os.listdir("/proc/self/task")) > 1 and time.monotonic() < deadline:
        time.sleep(0.01)
    print("threads:", len(os.listdir("/proc/self/task")))


def close_in_a_callback(*arguments):
    closed = threading.Event()

    def heard(event):
        if event == "ready":
            context.close()
            closed.set()

    context = machine(*arguments, events=heard)
    context.start()
    print("closed:", closed.wait(20))


def wait_limit(*arguments):
    with started(*arguments) as context:
        for call in (lambda: context.wait(0.35), lambda: context.wait_for("ready", 0.25)):
            try:
                call()
            except bartizan.TimedOut as error:
                print(error.message)


def cycles(*arguments):
    """Machines that come and go, their threads confined, leave nothing."""
    def count():
        return [len(os.listdir(f"/proc/self/{what}")) for what in ("fd", "task")]

    def one():
        with machine(*arguments, harden="preferred") as context:
            context.start()
            return str(context.wait(20))

    one()
    before = count()
    print({one() for _ in range(10)}, count() == before)


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


def loaded(image, folder, key_file):
    """The bundle's files are gone before a machine is made; a child of this process starts from the same memory."""
    bundle = bartizan.LoadedBundle(folder)
    assert bundle.info == bartizan.read_bundle(folder)
    os.rename(folder, folder + ".gone")
    print(code_of(bartizan.LoadedBundle, folder), flush=True)
    child = os.fork()
    with machine(image, None, key_file, loaded_bundle=bundle) as context:
        del bundle
        context.start()
        status = context.wait(20).process_status
    if child == 0:
        os._exit(status)
    print(status, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


CASES = {"loaded": loaded, "close": close, "fork": fork, "stop-before": stop_before, "size": size, "events": events_and_pause,
         "collected": collected_in_a_callback, "close-in-callback": close_in_a_callback, "wait-limit": wait_limit, "cycles": cycles, "exit": exit_of_the_interpreter, "await": await_,
         "await-close": await_close, "await-unstarted": await_unstarted}

if __name__ == "__main__":
    CASES[sys.argv[1]](*sys.argv[2:])
