"""One resource towards the kubelet: a socket, registered there again whenever the kubelet is a new one, that lists places and gives
them out."""

import concurrent.futures
import os
import pathlib
import threading
import time
from typing import Callable, Iterator, List, Optional, Tuple

import grpc

from bartizan.device_plugin import _messages as messages
from bartizan.device_plugin._places import Places, device_ids

KUBELET_SOCKET = "kubelet.sock"
REGISTER_TIME_LIMIT_S = 5
STOP_TIME_LIMIT_S = 2
MAX_WATCHERS = 4          # the kubelet has one, and for a moment two when it connects again
MAX_CALLS = MAX_WATCHERS + 4
MAX_REQUEST_BYTES = 1 << 20  # a peer that sends more is no kubelet
WATCH_WAKE_S = 5          # a stream looks for its reader at least so often
MAX_SOCKET_PATH = 107     # sockaddr_un
RETRY_S = (1, 2, 5, 10, 30)
Log = Callable[..., None]  # (event, text, **facts)


def identity(path: pathlib.Path) -> Optional[Tuple[int, int, int]]:
    """Which file is at `path`; another one after it was made anew. None: none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_ctime_ns


class Service:
    """update() and tend() are for one thread; gRPC's own threads answer the kubelet."""

    def __init__(self, tee: str, folder: pathlib.Path, kvm_device: str, log: Log):
        self.tee, self.resource, self.log = tee, f"bartizan.dev/{tee}", log
        self.kubelet, self.socket = folder / KUBELET_SOCKET, folder / f"bartizan-{tee}.sock"
        if len(os.fsencode(self.socket)) > MAX_SOCKET_PATH:
            raise ValueError(f"{self.socket}: longer than the {MAX_SOCKET_PATH} bytes of a socket's name: choose a shorter folder")
        self.nodes = [(kvm_device, "/dev/kvm")] + ([("/dev/sev", "/dev/sev")] if tee in ("sev", "sev-es", "snp") else [])
        self.changed = threading.Condition()
        self.places, self.round, self.watchers, self.ending = Places(0, 0), 0, 0, False  # guarded by `changed`
        self.server: Optional[grpc.Server] = None
        self.registered: Tuple = ()  # identities of the kubelet's socket and of ours
        self.failures, self.next_try, self.last_failure = 0, 0.0, ""

    # ---- what is offered

    def update(self, places: Places) -> None:
        with self.changed:
            if places == self.places:
                return
            self.places = places
            self.round += 1
            self.changed.notify_all()
        self.log("places", f"{self.resource}: {places.healthy} of {places.count} places can be given out"
                 + (f": {places.reason}" if places.reason else ""),
                 resource=self.resource, count=places.count, healthy=places.healthy, reason=places.reason)

    # ---- the registration

    def tend(self) -> None:
        """Registers if the kubelet does not know this plugin: it is new, or has removed our socket, as it does when it starts."""
        kubelet = identity(self.kubelet)
        if kubelet is None or self.places.count == 0 or time.monotonic() < self.next_try:
            return
        if self.registered == (kubelet, identity(self.socket)):
            return
        try:
            self._serve()
            self._register()
        except (grpc.RpcError, OSError, RuntimeError) as error:
            return self._failed(error)
        self.registered, self.failures, self.last_failure = (kubelet, identity(self.socket)), 0, ""
        self.log("registered", f"{self.resource}: registered with the kubelet at {self.kubelet}", resource=self.resource, count=self.places.count)

    def _failed(self, error: Exception) -> None:
        self.next_try = time.monotonic() + RETRY_S[min(self.failures, len(RETRY_S) - 1)]
        self.failures += 1
        text = error.details() if isinstance(error, grpc.RpcError) and hasattr(error, "details") else str(error)
        if text != self.last_failure:  # a kubelet that is away for an hour is one line
            self.log("error", f"{self.resource}: registration with the kubelet at {self.kubelet}: {text}; will try again",
                     resource=self.resource, error=text)
        self.last_failure = text

    def _serve(self) -> None:
        """Anew, on a socket that nobody has removed."""
        self._stop_server()
        self.socket.unlink(missing_ok=True)
        with self.changed:
            self.ending = False
        pool = concurrent.futures.ThreadPoolExecutor(MAX_CALLS, thread_name_prefix=self.tee)
        self.server = grpc.server(pool, maximum_concurrent_rpcs=MAX_CALLS, options=[("grpc.max_receive_message_length", MAX_REQUEST_BYTES)])
        self.server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(messages.DEVICE_PLUGIN, self._methods())])
        self.server.add_insecure_port(f"unix:{self.socket}")
        self.server.start()
        self.socket.chmod(0o600)

    def _methods(self):
        def serializer(message):
            return message.SerializeToString()

        return {
            "GetDevicePluginOptions": grpc.unary_unary_rpc_method_handler(
                lambda request, context: messages.DevicePluginOptions(), messages.Empty.FromString, serializer),
            "ListAndWatch": grpc.unary_stream_rpc_method_handler(self._list_and_watch, messages.Empty.FromString, serializer),
            "Allocate": grpc.unary_unary_rpc_method_handler(self._allocate, messages.AllocateRequest.FromString, serializer),
        }

    def _register(self) -> None:
        request = messages.RegisterRequest(version=messages.VERSION, endpoint=self.socket.name, resource_name=self.resource)
        # Without a name of its own gRPC takes the path, which not every server accepts.
        with grpc.insecure_channel(f"unix:{self.kubelet}", options=[("grpc.default_authority", "localhost")]) as channel:
            call = channel.unary_unary(messages.REGISTER, lambda message: message.SerializeToString(), messages.Empty.FromString)
            call(request, timeout=REGISTER_TIME_LIMIT_S)

    def stop(self) -> None:
        self._stop_server()
        if identity(self.socket) is not None:
            self.socket.unlink(missing_ok=True)

    def _stop_server(self) -> None:
        if self.server is None:
            return
        with self.changed:
            self.ending = True
            self.changed.notify_all()
        self.server.stop(STOP_TIME_LIMIT_S).wait()
        self.server = None

    # ---- what the kubelet calls

    def _list_and_watch(self, request, context) -> Iterator:
        with self.changed:
            if self.watchers >= MAX_WATCHERS:
                context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, f"{self.resource}: {MAX_WATCHERS} streams already")
            self.watchers += 1
        context.add_callback(self._wake)  # its reader is gone
        try:
            seen = -1
            while (news := self._wait_for_news(seen, context)) is not None:
                seen, places = news
                yield messages.ListAndWatchResponse(devices=[
                    messages.Device(ID=name, health=messages.HEALTHY if number < places.healthy else messages.UNHEALTHY)
                    for number, name in enumerate(device_ids(self.tee, places))])
        finally:
            with self.changed:
                self.watchers -= 1

    def _wake(self) -> None:
        with self.changed:
            self.changed.notify_all()

    def _wait_for_news(self, seen: int, context) -> Optional[Tuple[int, Places]]:
        with self.changed:
            while not self.ending and context.is_active():
                if self.round != seen:
                    return self.round, self.places
                self.changed.wait(WATCH_WAKE_S)
        return None

    def _allocate(self, request, context):
        with self.changed:
            places = self.places
        response = messages.AllocateResponse()
        for container in request.container_requests:
            self._check(list(container.devices_ids), places, context)
            answer = response.container_responses.add()
            for host, inside in self.nodes:
                answer.devices.add(host_path=host, container_path=inside, permissions="rw")
            # bartizan-runtime then starts the TEE whose place was counted, and no other.
            answer.annotations["org.bartizan.tee"] = self.tee
        self.log("allocated", f"{self.resource}: given out: {', '.join(name for each in request.container_requests for name in each.devices_ids)}",
                 resource=self.resource, devices=[list(each.devices_ids) for each in request.container_requests])
        return response

    def _check(self, wanted: List[str], places: Places, context) -> None:
        known = {name: number for number, name in enumerate(device_ids(self.tee, places))}
        if not wanted or len(set(wanted)) != len(wanted):
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"{self.resource}: no device, or one twice, in a container's request")
        for name in wanted:
            if name not in known:
                context.abort(grpc.StatusCode.NOT_FOUND, f"{self.resource}: {name[:80]!r}: no such device; there are {places.count} of them")
            if known[name] >= places.healthy:
                context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"{self.resource}: {name} cannot be given out: {places.reason}")
