"""The kubelet's interface for device plugins, v1beta1: the messages and fields that are used here.

Built when it is imported, so that nobody needs a compiler of protocol buffers to build or install
this package. Fields that are not in the table keep their defaults, and are passed over where a
newer kubelet sends them.
"""

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

VERSION = "v1beta1"
HEALTHY, UNHEALTHY = "Healthy", "Unhealthy"
REGISTER = "/v1beta1.Registration/Register"
DEVICE_PLUGIN = "v1beta1.DevicePlugin"

# message -> field -> number and type. "*": repeated; "map": of texts to texts.
_TABLE = {
    "Empty": {},
    "DevicePluginOptions": {},  # of its options, which are calls to make, none is wanted
    "RegisterRequest": {"version": (1, "text"), "endpoint": (2, "text"),
                        "resource_name": (3, "text")},
    "Device": {"ID": (1, "text"), "health": (2, "text")},
    "ListAndWatchResponse": {"devices": (1, "*Device")},
    "ContainerAllocateRequest": {"devices_ids": (1, "*text")},
    "AllocateRequest": {"container_requests": (1, "*ContainerAllocateRequest")},
    "DeviceSpec": {"container_path": (1, "text"), "host_path": (2, "text"),
                   "permissions": (3, "text")},
    "ContainerAllocateResponse": {"devices": (3, "*DeviceSpec"), "annotations": (4, "map")},
    "AllocateResponse": {"container_responses": (1, "*ContainerAllocateResponse")},
}
_Field = descriptor_pb2.FieldDescriptorProto


def _add_field(message, name, number, kind):
    field = message.field.add(name=name, number=number, label=_Field.LABEL_OPTIONAL)
    if kind == "map":  # on the wire: a list of messages with key and value
        entry = message.nested_type.add(name=name.title() + "Entry")
        entry.options.map_entry = True
        _add_field(entry, "key", 1, "text")
        _add_field(entry, "value", 2, "text")
        kind = f"*{message.name}.{entry.name}"
    if kind.startswith("*"):
        field.label = _Field.LABEL_REPEATED
    kind = kind.lstrip("*")
    if kind == "text":
        field.type = _Field.TYPE_STRING
    else:
        field.type, field.type_name = _Field.TYPE_MESSAGE, f".v1beta1.{kind}"


def _build():
    file = descriptor_pb2.FileDescriptorProto(
        name="bartizan/deviceplugin.proto", package="v1beta1", syntax="proto3")
    for name, fields in _TABLE.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            _add_field(message, field, number, kind)
    # A pool of its own: the process may have the whole interface, under the same names.
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found = {name: pool.FindMessageTypeByName(f"v1beta1.{name}") for name in _TABLE}
    return {name: message_factory.GetMessageClass(message) for name, message in found.items()}


_CLASSES = _build()
Empty = _CLASSES["Empty"]
DevicePluginOptions = _CLASSES["DevicePluginOptions"]
RegisterRequest = _CLASSES["RegisterRequest"]
Device = _CLASSES["Device"]
ListAndWatchResponse = _CLASSES["ListAndWatchResponse"]
AllocateRequest = _CLASSES["AllocateRequest"]
AllocateResponse = _CLASSES["AllocateResponse"]
