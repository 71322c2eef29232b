"""Reading IDX files, the format of MNIST, and refusing whatever is not one."""

import gzip
import math
import os
import struct
import zlib

import numpy as np


class DataError(ValueError):
    """A data file is missing, damaged or of another kind than needed; the message names the file and the fact."""


# Bytes 0, 0, type, number of dimensions; each dimension as a big-endian uint32; then the values, big-endian.
IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
DEFLATE_RATIO = 1032  # the most bytes that one byte of gzip can unpack to (a match of 258 bytes coded in 2 bits)


def read_idx(path):
    """The array in an IDX file (the format of MNIST), raw or gzipped; its content tells which, not its name.

    Returns an ndarray of the header's shape and type, in native byte order, writable.
    Raises DataError, naming the file and the fact, for whatever is not one whole IDX file. Memory stays in
    proportion to what the file truly holds, whatever its header claims or its gzip unpacks to.
    """
    try:
        with open(path, "rb") as file:
            return _parse_idx(file)
    except (OSError, EOFError, ValueError, zlib.error) as error:  # ValueError: DataError, or NumPy on the shape
        raise DataError(f"{path}: {getattr(error, 'strerror', None) or error}") from error


def _parse_idx(file):
    stream = _unpacked(file)
    magic = _header(stream, 4)
    kind, ndim = magic[2:]
    if magic[:2] != b"\0\0":
        raise DataError(f"not an IDX file: it begins with {magic.hex(' ')}, not with two zero bytes")
    if kind not in IDX_TYPES:
        known = ", ".join(f"{k:02x}" for k in IDX_TYPES)
        raise DataError(f"its type byte is {kind:02x}; IDX knows {known}")
    if not 1 <= ndim <= 32:
        raise DataError(f"its header gives {ndim} dimensions; an array has 1 to 32")
    shape = struct.unpack(f">{ndim}I", _header(stream, 4 * ndim))
    dtype = np.dtype(IDX_TYPES[kind])
    need = math.prod(shape) * dtype.itemsize
    promise = f"its header promises {need:,} bytes of data ({dtype.name}, shape {shape})"
    size = os.fstat(file.fileno()).st_size
    if stream is file and need != size - 4 - 4 * ndim:
        raise DataError(f"{promise}, but {size - 4 - 4 * ndim:,} follow")
    if need > size * DEFLATE_RATIO:
        raise DataError(f"{promise}, more than {size:,} bytes of gzip can hold")
    data = bytearray()  # grows with what is there: a gzip's true length shows only on unpacking
    for chunk in _chunks(stream, need + 1):  # one byte beyond what is needed, to see that the data end there
        data += chunk
    if len(data) != need:
        raise DataError(f"{promise}, but {'more' if len(data) > need else f'only {len(data):,}'} follow")
    return np.frombuffer(data, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def _header(stream, count):
    data = stream.read(count)
    if len(data) < count:
        raise DataError("cut off inside its header")
    return data


def _unpacked(file):
    """The open file itself, or a stream that unpacks it when it is gzipped; both at their beginning."""
    packed = file.read(2) == b"\x1f\x8b"
    file.seek(0)
    return gzip.GzipFile(fileobj=file) if packed else file


def _chunks(stream, limit):
    """The stream's bytes, piece by piece, up to limit of them."""
    while limit > 0 and (chunk := stream.read(min(limit, 1 << 18))):
        limit -= len(chunk)
        yield chunk
