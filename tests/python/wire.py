"""The wire format of protocol buffers, by field numbers alone: what tests say to the kubelet's interfaces and understand of them does not
come from the product's own table."""


def encode(*fields):
    """Of (number, value): a number, a text, bytes, or a list of fields, which is a message."""
    return b"".join(encode_field(number, value) for number, value in fields)


def encode_field(number, value):
    if isinstance(value, int):
        return encode_number(number << 3) + encode_number(value)
    data = value.encode() if isinstance(value, str) else encode(*value) if isinstance(value, list) else value
    return encode_number(number << 3 | 2) + encode_number(len(data)) + data


def encode_number(value):
    data = b""
    while value >= 0x80:
        data += bytes([value & 0x7F | 0x80])
        value >>= 7
    return data + bytes([value])


def decode_number(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def decode(data):
    """Field number -> its values: bytes or numbers."""
    fields, at = {}, 0
    while at < len(data):
        key, at = decode_number(data, at)
        value, at = decode_number(data, at)
        if key & 7 == 2:
            value, at = data[at:at + value], at + value
        else:
            assert key & 7 == 0, "neither a number nor bytes"
        fields.setdefault(key >> 3, []).append(value)
    return fields


def text(fields, number):
    return fields.get(number, [b""])[0].decode()
