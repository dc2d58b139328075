"""The kubelet's side of the device plugin interface, as far as a plugin meets it, by the field numbers of the kubelet's
api.proto (v1beta1)."""

import concurrent.futures
import queue
import threading

import grpc
from wire import decode, encode, text

TIME_LIMIT_S = 90  # of one answer, on a machine under load


class Kubelet:
    """Serves Registration on kubelet.sock, and removes all sockets of the folder first, as the kubelet does."""

    def __init__(self, folder, refuse=None):
        self.folder, self.refuse = folder, refuse
        self.registrations = queue.Queue()
        for path in folder.glob("*.sock"):
            path.unlink()
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
        handler = grpc.unary_unary_rpc_method_handler(self.register)
        self.server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("v1beta1.Registration", {"Register": handler})])
        self.server.add_insecure_port(f"unix:{folder}/kubelet.sock")
        self.server.start()

    def register(self, request, context):
        if self.refuse:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, self.refuse)
        fields = decode(request)
        self.registrations.put({"version": text(fields, 1), "endpoint": text(fields, 2), "resource": text(fields, 3)})
        return b""

    def registered(self):
        return self.registrations.get(timeout=TIME_LIMIT_S)

    def stop(self):
        self.server.stop(0).wait()

    def call(self, endpoint, method, request=b""):
        with grpc.insecure_channel(f"unix:{self.folder}/{endpoint}") as channel:
            return channel.unary_unary(f"/v1beta1.DevicePlugin/{method}")(request, timeout=TIME_LIMIT_S)

    def allocate(self, endpoint, *containers):
        """[(devices as (host, inside, permissions), annotations)] of lists of device names."""
        request = encode(*[(1, [(1, name) for name in names]) for names in containers])
        answers = []
        for answer in decode(self.call(endpoint, "Allocate", request)).get(1, []):
            fields = decode(answer)
            nodes = [decode(node) for node in fields.get(3, [])]
            notes = [decode(note) for note in fields.get(4, [])]
            answers.append(([(text(node, 2), text(node, 1), text(node, 3)) for node in nodes],
                            {text(note, 1): text(note, 2) for note in notes}))
        return answers


class Watch:
    """ListAndWatch: each list as {name: health}."""

    def __init__(self, kubelet, endpoint):
        self.lists = queue.Queue()
        self.channel = grpc.insecure_channel(f"unix:{kubelet.folder}/{endpoint}")
        self.stream = self.channel.unary_stream("/v1beta1.DevicePlugin/ListAndWatch")(b"")
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        try:
            for answer in self.stream:
                devices = [decode(device) for device in decode(answer).get(1, [])]
                self.lists.put({text(device, 1): text(device, 2) for device in devices})
            self.lists.put("end")
        except grpc.RpcError as error:
            self.lists.put(error.code())

    def next(self):
        return self.lists.get(timeout=TIME_LIMIT_S)

    def close(self):
        self.stream.cancel()
        self.reader.join()
        self.channel.close()
