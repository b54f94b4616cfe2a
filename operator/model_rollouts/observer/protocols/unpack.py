"""A recorded body to the bytes that were meant: base64 and gzip undone, within bounds."""

import binascii
import zlib

from model_rollouts.observer.protocols.tensors import UnreadableError

LARGEST_BODY = 4 * 1024 * 1024
"""Bytes of a body after unpacking: a kilobyte of gzip can hold a megabyte of nothing."""

_GZIP = b"\x1f\x8b"
_GZIP_FORMAT = 16 + zlib.MAX_WBITS


def unpacked(body: bytes, *, is_base64: bool) -> bytes:
    """The bytes of a body; raises UnreadableError, also when they would be too many."""
    if is_base64:
        try:
            body = binascii.a2b_base64(body, strict_mode=True)
        except binascii.Error as error:
            raise UnreadableError(f"base64: {error}") from None
    if body.startswith(_GZIP):
        body = _inflated(body)
    if len(body) > LARGEST_BODY:
        raise UnreadableError(f"found {len(body):,} bytes, at most {LARGEST_BODY:,} are read")
    return body


def _inflated(body: bytes) -> bytes:
    inflater = zlib.decompressobj(_GZIP_FORMAT)
    try:
        data = inflater.decompress(body, LARGEST_BODY + 1)
    except zlib.error as error:
        raise UnreadableError(f"gzip: {error}") from None
    if len(data) > LARGEST_BODY:
        raise UnreadableError(f"gzip: more than {LARGEST_BODY:,} bytes are inside")
    if not inflater.eof:
        raise UnreadableError("gzip: the stream has no end")
    return data
