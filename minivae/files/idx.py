"""Reading IDX files, the format of MNIST, and refusing whatever is not one."""

import gzip
import math
import os
import struct
import zlib

import numpy as np


class DataError(ValueError):
    """A data file is missing, damaged or of another kind; the message names file and fact."""


# An IDX file is the bytes 0, 0, type, number of dimensions; then each dimension as a big-endian
# uint32; then the values, big-endian, too.
IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
DEFLATE_RATIO = 1032  # the most bytes from one byte of gzip: a match of 258 bytes coded in 2 bits


def read_idx(path):
    """The array in an IDX file (the format of MNIST), raw or gzipped as its content tells.

    Returns an ndarray of the header's shape and type, in native byte order, writable.
    Raises DataError, naming the file and the fact, for whatever is not one whole IDX file. Memory
    stays in proportion to what the file truly holds, whatever its header claims or its gzip
    unpacks to.
    """
    try:
        with open(path, "rb") as file:
            return _parse(file)
    except (OSError, EOFError, ValueError, OverflowError, zlib.error) as error:
        fact = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: {fact}") from error


def _parse(file):
    size = os.fstat(file.fileno()).st_size
    stream = unpacked(file)
    dtype, shape = _parse_header(stream)
    needed = math.prod(shape) * dtype.itemsize
    promise = f"its header promises {needed:,} bytes of data ({dtype.name}, shape {shape})"

    # Before anything is allocated: can the file hold that much?
    if stream is file:
        following = size - file.tell()
        if needed != following:
            raise DataError(f"{promise}, but {following:,} follow")
    elif needed > size * DEFLATE_RATIO:
        raise DataError(f"{promise}, more than {size:,} bytes of gzip can hold")

    # A gzip's true length shows only on unpacking, so the memory grows with what is there.
    data = bytearray()
    for chunk in chunks(stream, needed + 1):  # one byte more, to see that the data end there
        data += chunk
    if len(data) > needed:
        raise DataError(f"{promise}, but more follow")
    if len(data) < needed:
        raise DataError(f"{promise}, but only {len(data):,} follow")
    return np.frombuffer(data, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def _parse_header(stream):
    """(dtype, shape) that the stream's first bytes give."""
    magic = _exactly(stream, 4)
    kind, ndim = magic[2:]
    if magic[:2] != b"\0\0":
        raise DataError(f"not an IDX file: it begins with {magic.hex(' ')}, not with 00 00")
    if kind not in IDX_TYPES:
        known = ", ".join(f"{k:02x}" for k in IDX_TYPES)
        raise DataError(f"its type byte is {kind:02x}; IDX knows {known}")
    if not 1 <= ndim <= 32:
        raise DataError(f"its header gives {ndim} dimensions; an array has 1 to 32")
    shape = struct.unpack(f">{ndim}I", _exactly(stream, 4 * ndim))
    return np.dtype(IDX_TYPES[kind]), shape


def _exactly(stream, count):
    data = stream.read(count)
    if len(data) < count:
        raise DataError("cut off inside its header")
    return data


def unpacked(file):
    """The open file, or a stream that unpacks it if it is gzipped; both at their beginning."""
    packed = file.read(2) == b"\x1f\x8b"
    file.seek(0)
    return gzip.GzipFile(fileobj=file) if packed else file


def chunks(stream, limit):
    """The stream's bytes, piece by piece, up to limit of them."""
    while limit > 0 and (chunk := stream.read(min(limit, 1 << 18))):
        limit -= len(chunk)
        yield chunk
