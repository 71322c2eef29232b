"""One .npz file: a header in JSON and named arrays. Written whole or not at all; believed only once it is verified.

It is the zip archive of .npy members that numpy.savez writes, uncompressed. The member `minivae` is a text, the header.
Nothing is ever pickled or unpickled.
"""

import contextlib
import io
import json
import math
import os
import threading
import zipfile

import numpy as np


def write(path, kind, header, arrays):
    """Written beside its place, brought to the disk, then renamed: a reader sees the old file or the new, whole."""
    path, part = _place(path)
    text = json.dumps({"kind": kind, **header}, default=lambda array: array.tolist())
    try:
        with open(part, "wb") as file:
            np.savez(file, minivae=np.array(text), **arrays)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        with contextlib.suppress(FileNotFoundError):  # it is gone when all went well
            os.unlink(part)


def check_place(path):
    """Raises OSError now if write would raise it later, because there is no folder, say, or no permission."""
    _, part = _place(path)
    with open(part, "wb"):
        pass
    os.unlink(part)


def _place(path):
    """The file itself, whatever links lead to it, and a name beside it that no other writer uses."""
    path = os.path.realpath(os.fsdecode(path))
    if not os.path.isdir(os.path.dirname(path)):
        raise FileNotFoundError(f"cannot write {path}: there is no folder {os.path.dirname(path)}")
    if os.path.isdir(path):
        raise IsADirectoryError(f"cannot write {path}: it is a folder")
    return path, f"{path}.{os.getpid()}-{threading.get_ident()}.part"


@contextlib.contextmanager
def reading(path, kind):
    """Yields the Npz at path. Whatever goes wrong inside comes out as ValueError, naming the file and the fact."""
    with open(path, "rb") as file:
        try:
            yield Npz(file, kind)
        except Exception as error:  # what zipfile, json and NumPy make of damaged bytes is too varied for a list
            fact = f"it lacks {error}" if isinstance(error, KeyError) else str(error) or type(error).__name__
            raise ValueError(f"cannot use {os.fsdecode(path)}: {fact}") from error


class Npz:
    """A file that write wrote, open: .header is its header, .size how many bytes its arrays take, as its directory says."""

    def __init__(self, file, kind):
        self._zip = zipfile.ZipFile(file)
        self._members = self._directory(os.fstat(file.fileno()).st_size)
        if "minivae" not in self._members:
            raise ValueError("minivae did not write it")
        text = self._read(self._members.pop("minivae"))
        if text.shape != () or text.dtype.kind != "U":
            raise ValueError(f"its header is no text, but {text.dtype} of shape {text.shape}")
        self.header = json.loads(text.item())
        if not isinstance(self.header, dict) or self.header.get("kind") != kind:
            found = self.header.get("kind") if isinstance(self.header, dict) else "file without a kind"
            raise ValueError(f"it is a minivae {found}, and a {kind} is wanted")
        self.size = sum(member.file_size for member in self._members.values())

    def arrays(self, room):
        """dict name -> array, read-only. room: for how many bytes there is a use; what holds much more is not read."""
        if self.size > 2 * room + 65536:  # a name too many, or a wrong shape, is better explained by who knows them
            raise ValueError(f"it holds {self.size:,} bytes of arrays where {room:,} are of use")
        return {name: self._read(member) for name, member in self._members.items()}

    def _directory(self, file_size):
        """dict name -> member of the zip. No member is compressed, and all together are no larger than the file."""
        members = {}
        for member in self._zip.infolist():
            name = member.filename.removesuffix(".npy")
            if name in members:
                raise ValueError(f"it holds two arrays of the name {name}")
            if member.compress_type != zipfile.ZIP_STORED or member.compress_size != member.file_size:
                raise ValueError(f"its array {name} is compressed; minivae writes, and reads, uncompressed ones")
            members[name] = member
        claimed = sum(member.file_size for member in members.values())
        if claimed > file_size:
            raise ValueError(f"its directory promises {claimed:,} bytes of arrays, more than the file's {file_size:,}")
        return members

    def _read(self, member):
        data = self._zip.read(member)  # to its very end, where zipfile compares the checksum
        if len(data) != member.file_size:
            raise ValueError(f"{member.filename} is cut off after {len(data):,} of {member.file_size:,} bytes")
        return _parse_npy(member.filename, data)


def _parse_npy(name, data):
    """The array in the bytes of an .npy file, without a copy. Its header is compared with what there is first."""
    stream = io.BytesIO(data)
    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        header = np.lib.format.read_array_header_1_0(stream, max_header_size=1000)
    elif version == (2, 0):
        header = np.lib.format.read_array_header_2_0(stream, max_header_size=1000)
    else:
        raise ValueError(f"{name} is of version {version} of the npy format; 1.0 and 2.0 are read")
    shape, fortran_order, dtype = header
    if dtype.hasobject:
        raise ValueError(f"{name} holds Python objects, and nothing is unpickled here")
    start = stream.tell()
    if math.prod(shape) * dtype.itemsize != len(data) - start:
        raise ValueError(f"{name} claims {dtype} of shape {shape}, but has {len(data) - start:,} bytes")
    return np.frombuffer(data, dtype, offset=start).reshape(shape, order="F" if fortran_order else "C")
