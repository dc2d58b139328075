"""One resource towards the kubelet: a socket that lists its places and gives them out, and that is
registered again whenever the kubelet is a new one."""

import concurrent.futures
import os
import pathlib
import threading
import time
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

import grpc

from bartizan.device_plugin import _messages as messages
from bartizan.device_plugin._places import Places, device_ids

KUBELET_SOCKET = "kubelet.sock"
REGISTER_TIME_LIMIT_S = 5
STOP_TIME_LIMIT_S = 2
MAX_WATCHERS = 4  # the kubelet has one, and for a moment two when it connects again
MAX_CALLS = MAX_WATCHERS + 4
MAX_REQUEST_BYTES = 1 << 20  # a peer that sends more is no kubelet
WATCH_WAKE_S = 5  # a stream looks for its reader at least so often
MAX_SOCKET_PATH = 107  # sockaddr_un
RETRY_S = (1, 2, 5, 10, 30)
AMD_TEES = ("sev", "sev-es", "snp")
Log = Callable[..., None]  # (event, text, **facts)
Identity = Optional[Tuple[int, int, int]]


class Replaced(Exception):
    """Another process has put its own socket in the place of ours: the kubelet talks to it."""


def identity(path: pathlib.Path) -> Identity:
    """Which file is at `path`; another one after it was made anew. None: there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_ctime_ns


def serialize(message: Any) -> bytes:
    return message.SerializeToString()


class Service:
    """update(), tend() and stop() are for one thread; gRPC's own threads answer the kubelet."""

    def __init__(self, tee: str, folder: pathlib.Path, kvm_device: str, log: Log) -> None:
        self.tee, self.resource, self.log = tee, f"bartizan.dev/{tee}", log
        self.kubelet, self.socket = folder / KUBELET_SOCKET, folder / f"bartizan-{tee}.sock"
        if len(os.fsencode(self.socket)) > MAX_SOCKET_PATH:
            raise ValueError(
                f"{self.socket}: longer than the {MAX_SOCKET_PATH} bytes of a socket's name: "
                "choose a shorter folder"
            )
        self.nodes = [(kvm_device, "/dev/kvm")]
        if tee in AMD_TEES:
            self.nodes.append(("/dev/sev", "/dev/sev"))
        self.changed = threading.Condition()
        # Guarded by `changed`.
        self.places, self.round, self.watchers, self.ending = Places(0, 0), 0, 0, False
        self.server: Optional[grpc.Server] = None
        self.own: Identity = None  # our socket
        self.registered: Tuple[Identity, Identity] = (None, None)  # the kubelet's socket and ours
        self.failures, self.next_try, self.last_failure = 0, 0.0, ""

    # ---- what is offered

    def update(self, places: Places) -> None:
        with self.changed:
            if places == self.places:
                return
            self.places = places
            self.round += 1
            self.changed.notify_all()
        reason = f": {places.reason}" if places.reason else ""
        self.log(
            "places",
            f"{self.resource}: {places.healthy} of {places.count} places can be given out{reason}",
            resource=self.resource,
            count=places.count,
            healthy=places.healthy,
            reason=places.reason,
        )

    # ---- the registration

    def tend(self) -> None:
        """Registers if the kubelet does not know this plugin: it is new, or our socket was removed,
        as a kubelet does that starts."""
        kubelet = identity(self.kubelet)
        if kubelet is None or self.places.count == 0 or time.monotonic() < self.next_try:
            return
        if self.registered == (kubelet, identity(self.socket)):
            return
        try:
            self._serve()
            self._register()
        except (grpc.RpcError, OSError, RuntimeError) as error:
            self._failed(error)
            return
        self.registered, self.failures, self.last_failure = (kubelet, self.own), 0, ""
        self.log(
            "registered",
            f"{self.resource}: registered with the kubelet at {self.kubelet}",
            resource=self.resource,
            count=self.places.count,
        )

    def _failed(self, error: Exception) -> None:
        self.next_try = time.monotonic() + RETRY_S[min(self.failures, len(RETRY_S) - 1)]
        self.failures += 1
        text = error.details() if isinstance(error, grpc.Call) else str(error)
        if text != self.last_failure:  # a kubelet that is away for an hour is one line
            self.log(
                "error",
                f"{self.resource}: registration with the kubelet at {self.kubelet}: {text}; "
                "will try again",
                resource=self.resource,
                error=text,
            )
        self.last_failure = text

    def _serve(self) -> None:
        """On a socket that nobody has removed: anew, if need be."""
        there = identity(self.socket)
        if self.own is not None and there == self.own:
            return
        if self.own is not None and there is not None:
            raise Replaced(
                f"{self.resource}: another process listens at {self.socket}: run one device plugin "
                "on a node"
            )
        self._stop_server()
        self.socket.unlink(missing_ok=True)
        with self.changed:
            self.ending = False
        pool = concurrent.futures.ThreadPoolExecutor(MAX_CALLS, thread_name_prefix=self.tee)
        limit = [("grpc.max_receive_message_length", MAX_REQUEST_BYTES)]
        self.server = grpc.server(pool, maximum_concurrent_rpcs=MAX_CALLS, options=limit)
        handler = grpc.method_handlers_generic_handler(messages.DEVICE_PLUGIN, self._methods())
        self.server.add_generic_rpc_handlers([handler])
        self.server.add_insecure_port(f"unix:{self.socket}")
        self.server.start()
        self.socket.chmod(0o600)
        self.own = identity(self.socket)

    def _methods(self) -> Dict[str, grpc.RpcMethodHandler]:
        empty = messages.Empty.FromString
        return {
            "GetDevicePluginOptions": grpc.unary_unary_rpc_method_handler(
                lambda request, context: messages.DevicePluginOptions(), empty, serialize
            ),
            "ListAndWatch": grpc.unary_stream_rpc_method_handler(
                self._list_and_watch, empty, serialize
            ),
            "Allocate": grpc.unary_unary_rpc_method_handler(
                self._allocate, messages.AllocateRequest.FromString, serialize
            ),
        }

    def _register(self) -> None:
        request = messages.RegisterRequest(
            version=messages.VERSION, endpoint=self.socket.name, resource_name=self.resource
        )
        # Without a name of its own gRPC takes the path, which not every server accepts.
        options = [("grpc.default_authority", "localhost")]
        with grpc.insecure_channel(f"unix:{self.kubelet}", options=options) as channel:
            call = channel.unary_unary(messages.REGISTER, serialize, messages.Empty.FromString)
            call(request, timeout=REGISTER_TIME_LIMIT_S)

    def stop(self) -> None:
        self._stop_server()
        if self.own is not None and identity(self.socket) == self.own:
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

    def _list_and_watch(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        with self.changed:
            if self.watchers >= MAX_WATCHERS:
                context.abort(
                    grpc.StatusCode.RESOURCE_EXHAUSTED,
                    f"{self.resource}: {MAX_WATCHERS} streams already",
                )
            self.watchers += 1
        context.add_callback(self._wake)  # its reader is gone
        try:
            seen = -1
            while (news := self._wait_for_news(seen, context)) is not None:
                seen, places = news
                yield messages.ListAndWatchResponse(devices=self._devices(places))
        finally:
            with self.changed:
                self.watchers -= 1

    def _devices(self, places: Places) -> List[Any]:
        def health(number: int) -> str:
            return messages.HEALTHY if number < places.healthy else messages.UNHEALTHY

        names = enumerate(device_ids(self.tee, places))
        return [messages.Device(ID=name, health=health(number)) for number, name in names]

    def _wake(self) -> None:
        with self.changed:
            self.changed.notify_all()

    def _wait_for_news(
        self, seen: int, context: grpc.ServicerContext
    ) -> Optional[Tuple[int, Places]]:
        with self.changed:
            while not self.ending and context.is_active():
                if self.round != seen:
                    return self.round, self.places
                self.changed.wait(WATCH_WAKE_S)
        return None

    def _allocate(self, request: Any, context: grpc.ServicerContext) -> Any:
        with self.changed:
            places = self.places
        response = messages.AllocateResponse()
        wanted = [list(container.devices_ids) for container in request.container_requests]
        for names in wanted:
            self._check(names, places, context)
            answer = response.container_responses.add()
            for host, inside in self.nodes:
                answer.devices.add(host_path=host, container_path=inside, permissions="rw")
            # bartizan-runtime then starts the TEE whose place was counted, and no other.
            answer.annotations["org.bartizan.tee"] = self.tee
        given = ", ".join(name for names in wanted for name in names)
        self.log(
            "allocated",
            f"{self.resource}: given out: {given}",
            resource=self.resource,
            devices=wanted,
        )
        return response

    def _check(self, wanted: List[str], places: Places, context: grpc.ServicerContext) -> None:
        def refuse(code: grpc.StatusCode, text: str) -> None:
            context.abort(code, f"{self.resource}: {text}")

        known = {name: number for number, name in enumerate(device_ids(self.tee, places))}
        if not wanted or len(set(wanted)) != len(wanted):
            refuse(
                grpc.StatusCode.INVALID_ARGUMENT,
                "no device, or one twice, in a container's request",
            )
        for name in wanted:
            if name not in known:
                refuse(
                    grpc.StatusCode.NOT_FOUND,
                    f"{name[:80]!r}: no such device; there are {places.count} of them",
                )
            if known[name] >= places.healthy:
                refuse(
                    grpc.StatusCode.FAILED_PRECONDITION,
                    f"{name} cannot be given out: {places.reason}",
                )
