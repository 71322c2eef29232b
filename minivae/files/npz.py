"""One .npz file, a JSON header and named arrays: written whole or not at all, verified when read.

The file is the zip archive of .npy members that numpy.savez writes, uncompressed. The member
`minivae` is a text, the header. Nothing is ever pickled or unpickled.
"""

import contextlib
import io
import json
import math
import os
import threading
import zipfile

import numpy as np

BRACKETS = 1000  # in a header; a checkpoint has some 20


def write(path, kind, header, arrays):
    """Written beside its place, brought to the disk, then renamed: readers see the old file or the
    new one, whole. Raises OSError if that fails, and leaves the old one."""
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
    """Raises OSError now if write would raise it later: for want of a folder, or of permission."""
    _, part = _place(path)
    with open(part, "wb"):
        pass
    os.unlink(part)


def _place(path):
    """The file that is meant, links followed, and a name beside it that no other writer uses."""
    path = os.path.realpath(os.fsdecode(path))
    if not os.path.isdir(os.path.dirname(path)):
        raise FileNotFoundError(f"cannot write {path}: there is no folder {os.path.dirname(path)}")
    if os.path.isdir(path):
        raise IsADirectoryError(f"cannot write {path}: it is a folder")
    return path, f"{path}.{os.getpid()}-{threading.get_ident()}.part"


@contextlib.contextmanager
def reading(path, kind):
    """Gives the Npz at path. What goes wrong inside comes out as ValueError with file and fact."""
    with open(path, "rb") as file:
        try:
            yield Npz(file, kind)
        except Exception as error:  # damaged bytes make zipfile, json and NumPy raise anything
            fact = str(error) or type(error).__name__
            if isinstance(error, KeyError):
                fact = f"it lacks {error}"
            elif not isinstance(error, (ValueError, TypeError)):
                fact = f"it is damaged ({fact})"
            raise ValueError(f"cannot use {os.fsdecode(path)}: {fact}") from error


class Npz:
    """A file that write wrote, open.

    header: its header, a dict.
    size: how many bytes its arrays take, by the archive's directory.
    """

    def __init__(self, file, kind):
        self._zip = zipfile.ZipFile(file)
        self._members = self._directory(os.fstat(file.fileno()).st_size)
        if "minivae" not in self._members:
            raise ValueError("minivae did not write it")
        self.header = self._header(self._members.pop("minivae"), kind)
        self.size = sum(member.file_size for member in self._members.values())

    def arrays(self, room):
        """dict name -> array, read-only. room: for how many bytes there is a use.

        A file with much more is not read. A name too many, or a wrong shape, is let through: who
        uses the arrays can say better what is wrong.
        """
        if self.size > 2 * room + 65536:
            raise ValueError(f"it holds {self.size:,} bytes of arrays where {room:,} are of use")
        return {name: self._read(member) for name, member in self._members.items()}

    def _directory(self, file_size):
        """dict name -> member. None is compressed, and all together fit into the file."""
        members = {}
        for member in self._zip.infolist():
            name = member.filename.removesuffix(".npy")
            if name in members:
                raise ValueError(f"it holds two arrays of the name {name}")
            stored = member.compress_type == zipfile.ZIP_STORED
            if not stored or member.compress_size != member.file_size:
                raise ValueError(f"its array {name} is compressed, which minivae never does")
            members[name] = member
        claimed = sum(member.file_size for member in members.values())
        if claimed > file_size:
            raise ValueError(f"its arrays claim {claimed:,} bytes of a file of {file_size:,}")
        return members

    def _header(self, member, kind):
        text = self._read(member)
        if text.shape != () or text.dtype.kind != "U":
            raise ValueError(f"its header is no text, but {text.dtype} of shape {text.shape}")
        text = text.item()
        if text.count("[") + text.count("{") > BRACKETS:  # deep nesting could end the process
            raise ValueError("its header is nested too deeply")
        header = json.loads(text)
        if not isinstance(header, dict):
            raise ValueError(f"its header is a {type(header).__name__}")
        if header.get("kind") != kind:
            raise ValueError(f"it is a minivae {header.get('kind')}, and a {kind} is wanted")
        return header

    def _read(self, member):
        name = member.filename
        data = self._zip.read(member)  # to its very end, where zipfile compares the checksum
        if len(data) != member.file_size:
            raise ValueError(f"{name} ends after {len(data):,} of {member.file_size:,} bytes")
        return _parse_npy(name, data)


def _parse_npy(name, data):
    """The array in the bytes of an .npy file, not copied, once its header fits what there is."""
    stream = io.BytesIO(data)
    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        header = np.lib.format.read_array_header_1_0(stream, max_header_size=1000)
    elif version == (2, 0):
        header = np.lib.format.read_array_header_2_0(stream, max_header_size=1000)
    else:
        raise ValueError(f"{name} is of version {version} of the npy format, not 1.0 or 2.0")
    shape, fortran_order, dtype = header
    if dtype.hasobject:
        raise ValueError(f"{name} holds Python objects, and nothing is unpickled here")
    start = stream.tell()
    held = len(data) - start
    if math.prod(shape) * dtype.itemsize != held:
        raise ValueError(f"{name} claims {dtype} of shape {shape}, but has {held:,} bytes")
    array = np.frombuffer(data, dtype, offset=start)
    return array.reshape(shape, order="F" if fortran_order else "C")
