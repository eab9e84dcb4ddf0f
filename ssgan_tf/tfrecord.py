"""The frame of a TFRecord file and the names of an image record's features. No TensorFlow here.

A record lies between its length with a checksum and a checksum of its own; both are CRC-32C, masked.
"""

from __future__ import annotations

import struct

import google_crc32c

ENCODED = "image/encoded"
FORMAT = "image/format"
HEIGHT, WIDTH, CHANNELS = "image/height", "image/width", "image/channels"
LABEL = "image/class/label"
LABELED = "image/labeled"
KEY = "image/key"

HEAD, TAIL = 12, 4


def masked_crc(data: bytes) -> int:
    """Returns the checksum that TFRecord files hold of some bytes."""
    crc = google_crc32c.value(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def framed(record: bytes) -> bytes:
    """Returns a record with its frame around it."""
    length = struct.pack("<Q", len(record))
    return b"".join(
        (length, struct.pack("<I", masked_crc(length)), record, struct.pack("<I", masked_crc(record)))
    )


def length_in(head: bytes) -> int | None:
    """Returns the record's length that the `HEAD` bytes before it say, None if their checksum is wrong."""
    if len(head) < HEAD or masked_crc(head[:8]) != struct.unpack("<I", head[8:HEAD])[0]:
        return None
    return int(struct.unpack("<Q", head[:8])[0])


def payload_of(body: bytes) -> bytes | None:
    """Returns the record in `body`, which ends in its `TAIL` bytes; None if the checksum is wrong."""
    payload, tail = body[:-TAIL], body[-TAIL:]
    if len(tail) < TAIL or masked_crc(payload) != struct.unpack("<I", tail)[0]:
        return None
    return payload


_BEFORE_LABEL = b"\n\x11" + LABEL.encode() + b"\x12"


def label_in(record: bytes) -> int | None:
    """Returns the label of an image record as `ssgan_tf.records.RecordForm` serialises it; None if not found.

    It is read where it lies, before the image: to parse the whole message takes fifty times as long.
    """
    # the first feature of the message, behind three heads of a length each
    at = record.find(_BEFORE_LABEL, 0, 64) + len(_BEFORE_LABEL)
    # a feature of so many bytes, in it a list, in it one number, packed
    if at < len(_BEFORE_LABEL) or record[at + 1 : at + 2] != b"\x1a" or record[at + 3 : at + 4] != b"\n":
        return None
    size, value = record[at + 4], 0
    for place, byte in enumerate(record[at + 5 : at + 5 + size]):
        value |= (byte & 127) << 7 * place
    return value - (1 << 64) if value >> 63 else value


_BEFORE_KEY = b"\n\t" + KEY.encode() + b"\x12"


def key_in(record: bytes) -> str:
    """Returns the key of an image record as `ssgan_tf.records.RecordForm` serialises it; "" if there is none.

    It is read where it lies, after the image: to parse the whole message takes fifty times as long.
    """
    at = record.rfind(_BEFORE_KEY) + len(_BEFORE_KEY)
    head = record[at : at + 5]
    # a feature of so many bytes, in it a list, in it the key, all of them shorter than 128 bytes
    if at < len(_BEFORE_KEY) or len(head) < 5 or head[1] != 10 or head[3] != 10:
        return ""
    return record[at + 5 : at + 5 + head[4]].decode("utf-8", "replace")
