"""Saved models: what save accepts load gives back, and no damaged file loads as another model."""

import io
import json
import os
import stat
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from small_runs import RNG, X, Y, bits, make, run

import minivae as mv

OLD = Path(__file__).with_name("written_by_0_1_0")
MODELS = {
    "vae": lambda: make(),
    "autoencoder": lambda: make(mv.Autoencoder),
    "conditional": lambda: make(mv.ConditionalVAE, n_classes=4),
    "linear": lambda: make(hidden_dims=()),
    "fixed": lambda: make(likelihood="gaussian", decoder_logvar=-1.5, dtype=np.float64),
    "shared": lambda: make(likelihood="gaussian", decoder_logvar="shared"),
    "per pixel": lambda: make(
        likelihood="gaussian", decoder_logvar="per_pixel", activation="softplus"
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_loaded_model_is_the_saved_one(tmp_path, name):
    model = MODELS[name]()
    for p in model.parameters():
        p.data[...] += 0.25
    mv.save(model, tmp_path / "m.npz")
    again = mv.load(tmp_path / "m.npz")
    assert type(again) is type(model) and again.config == model.config
    assert bits(again) == bits(model)
    np.testing.assert_array_equal(again.reconstruct(X), model.reconstruct(X))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.npz"]


def test_a_trained_model_and_one_that_is_broken_are_saved_as_they_are(tmp_path):
    model = make(mv.ConditionalVAE, n_classes=3)
    run(model, y=Y)
    for value in (1.0, np.nan, np.inf, 1e30):
        model.parameters()[0].data[0, 0] = value
        mv.save(model, tmp_path / "m.npz")
        assert bits(mv.load(tmp_path / "m.npz")) == bits(model)


@pytest.mark.parametrize("listed_first", [True, False])
def test_frozen_parameters_are_saved_too(tmp_path, listed_first):
    model = make()
    if listed_first:
        model.parameters()
    for layer in model.encoder.layers:
        layer.weight.requires_grad = False
        layer.bias.requires_grad = False
    assert len(model.state_dict()) == 8
    mv.save(model, tmp_path / "m.npz")
    again = mv.load(tmp_path / "m.npz")
    np.testing.assert_array_equal(again.reconstruct(X), model.reconstruct(X))


# What load could not give back


class BetaVAE(mv.VAE):
    """A subclass: load does not know it."""


def changed(**parts):
    model = make()
    for name, part in parts.items():
        setattr(model, name, part)
    return model


@pytest.mark.parametrize(
    "model, error, message",
    [
        (make(BetaVAE), TypeError, "no BetaVAE"),
        (mv.MLP((6, 2)), TypeError, "no MLP"),
        (changed(decoder=mv.MLP((2, 9, 6))), ValueError, r"decoder.0.bias is float32 \(9,\)"),
        (changed(decoder=mv.MLP((2, 6))), ValueError, "decoder.1.weight"),
        (changed(decoder=mv.MLP((2, 8, 6), "tanh")), ValueError, "encoder or decoder was replaced"),
        (changed(encoder=mv.MLP((6, 8, 4), "softplus")), ValueError, "was replaced"),
        (changed(loss=lambda x, rng: 0), ValueError, "whose loss was replaced"),
        (changed(extra=mv.Dense(2, 3)), ValueError, "extra.bias"),
    ],
)
def test_save_refuses_what_load_could_not_build_and_tells_a_way_out(
    tmp_path, model, error, message
):
    with pytest.raises(error, match=message) as caught:
        mv.save(model, tmp_path / "m.npz")
    assert "np.savez(path, **model.state_dict())" in str(caught.value)
    assert "model.load_state_dict(dict(np.load(path)))" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_the_way_out_works(tmp_path):
    model, again, path = make(BetaVAE), make(BetaVAE, rng=RNG(5)), tmp_path / "m.npz"
    np.savez(path, **model.state_dict())
    with np.load(path) as file:
        again.load_state_dict(dict(file))
    assert bits(again) == bits(model)


# Writing


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
@pytest.mark.parametrize("umask, mode", [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600)])
def test_files_get_the_mode_that_umask_gives(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        mv.save(make(), tmp_path / "m.npz")
        run(make(), epochs=1, checkpoint=tmp_path / "c.npz")
    finally:
        os.umask(before)
    for file in tmp_path.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == mode


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "m.npz"
    mv.save(make(), path)
    before = path.read_bytes()

    def disk_full(fd):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", disk_full)
    with pytest.raises(OSError, match="disk full"):
        mv.save(make(latent_dim=3), path)
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["m.npz"]


def test_a_link_is_followed(tmp_path):
    (tmp_path / "far").mkdir()
    link = tmp_path / "m.npz"
    try:
        link.symlink_to(tmp_path / "far" / "m.npz")
    except OSError:
        pytest.skip("this system allows no links")
    mv.save(make(), link)
    assert link.is_symlink() and bits(mv.load(tmp_path / "far" / "m.npz")) == bits(make())


@pytest.mark.parametrize("path, message", [("no/m.npz", "there is no folder"), (".", "a folder")])
def test_a_place_that_cannot_be_written(tmp_path, path, message):
    with pytest.raises(OSError, match=message):
        mv.save(make(), tmp_path / path)


# Files that are not what they should be


def rewrite(path, change):
    with np.load(path) as file:
        arrays = dict(file)
    header = json.loads(str(arrays["minivae"]))
    change(header, arrays)
    arrays["minivae"] = np.array(json.dumps(header))
    with open(path, "wb") as file:
        np.savez(file, **arrays)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda h, a: a.pop("encoder.0.bias"), "encoder.0.bias is missing"),
        (lambda h, a: a.update(extra=np.ones(3)), "extra is not a parameter"),
        (
            lambda h, a: a.update({"encoder.0.bias": np.ones(9, np.float32)}),
            r"encoder.0.bias is float32 \(9,\)",
        ),
        (
            lambda h, a: a.update({"encoder.0.bias": a["encoder.0.bias"].astype(">f4")}),
            "encoder.0.bias is >f4",
        ),
        (lambda h, a: a.update(extra=np.ones(10**5)), "arrays where .* are of use"),
        (lambda h, a: h.update({"class": "Transformer"}), "it holds a Transformer"),
        (lambda h, a: h.update({"class": ["VAE"]}), "unhashable"),
        (lambda h, a: h.update(kind="checkpoint"), "a minivae checkpoint, and a model is wanted"),
        (lambda h, a: h["config"].update(latent_dim=-1), "latent_dim"),
        (lambda h, a: h["config"].update(latent_dim=2.0), "latent_dim"),
        (lambda h, a: h["config"].update(hidden_dims="8"), "hidden_dims"),
        (lambda h, a: h["config"].update(n_classes="x"), "n_classes"),
        (lambda h, a: h["config"].update(more=1), "more"),
        (lambda h, a: h["config"].update(rng=1), "rng"),
        (lambda h, a: h["config"].update(activation=["relu"]), "."),
        (lambda h, a: h["config"].update(dtype="O"), "."),
        (lambda h, a: h["config"].pop("input_dim"), "it lacks 'input_dim'"),
        (lambda h, a: h.pop("config"), "it lacks 'config'"),
        (lambda h, a: h.update(config=[1]), "."),
    ],
)
def test_a_file_that_does_not_fit_is_refused(tmp_path, change, message):
    path = tmp_path / "m.npz"
    mv.save(make(), path)
    rewrite(path, change)
    with pytest.raises(ValueError, match=f"cannot use .*m.npz: .*{message}"):
        mv.load(path)


@pytest.mark.parametrize(
    "config",
    [
        {"hidden_dims": [20000, 20000]},
        {"hidden_dims": [10**9]},
        {"latent_dim": 10**15, "hidden_dims": []},
        {"input_dim": 10**400},
    ],
)
def test_a_header_cannot_ask_for_more_memory_than_the_file_holds(tmp_path, config):
    path = tmp_path / "m.npz"
    mv.save(make(), path)
    rewrite(path, lambda header, arrays: header["config"].update(config))
    with pytest.raises(ValueError, match="m.npz: its header describes a model of over"):
        mv.load(path)
    mv.save(make(mv.ConditionalVAE, n_classes=3), path)
    rewrite(path, lambda header, arrays: header["config"].update(n_classes=10**12))
    with pytest.raises(ValueError, match="m.npz: its header describes a model of over"):
        mv.load(path)


def members(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def archive(path, contents, **options):
    """A zip with these members, as (name, bytes): checksums and sizes are right."""
    with zipfile.ZipFile(path, "w", **options) as file:
        for name, content in contents:
            file.writestr(name, content)


def npy(descr="<f4", shape="(8,)", content=bytes(32), version=(1, 0), fortran="False"):
    """An .npy file by the letter of its description."""
    header = f"{{'descr': {descr!r}, 'fortran_order': {fortran}, 'shape': {shape}, }}".encode()
    size = struct.pack("<H" if version[0] == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes(version) + size + header + content


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "."),
        (b"\x93NUMPY\1\0", "."),
        (npy(shape="(7,)"), r"claims float32 of shape \(7,\), but has 32 bytes"),
        (npy(shape="(9,)"), r"claims float32 of shape \(9,\), but has 32 bytes"),
        (npy(shape="(10**12,)"), "."),
        (npy(shape="(1000000000000,)"), "claims float32"),
        (npy(shape="(-1, -8)"), "."),
        (npy(shape="(0, 10000000000000000000000)", content=b""), "."),
        (npy(shape="8"), "."),
        (npy(shape="(" * 300), "."),
        (npy(descr="|O", content=bytes(64)), "Python objects, and nothing is unpickled"),
        (npy(descr="|V4"), "encoder.0.bias is"),
        (npy(descr="nonsense"), "."),
        (npy(descr="<f8", shape="(4,)"), "encoder.0.bias is float64"),
        (npy(fortran="1"), "."),
        (npy(version=(3, 0)), "version"),
        (npy(version=(9, 9)), "version"),
        (npy(descr="<f4" + " " * 2000), "."),
    ],
)
def test_a_member_that_is_wrong_is_refused(tmp_path, content, message):
    path = tmp_path / "m.npz"
    mv.save(make(), path)
    contents = {**members(path), "encoder.0.bias.npy": content}
    archive(path, contents.items())
    with pytest.raises(ValueError, match=f"cannot use .*m.npz: .*{message}"):
        mv.load(path)


def test_other_ways_to_write_the_same_array_are_read(tmp_path):
    path = tmp_path / "m.npz"
    mv.save(make(), path)
    contents = members(path)
    layer = make().encoder.layers[0]
    contents["encoder.0.bias.npy"] = npy(content=layer.bias.data.tobytes(), version=(2, 0))
    weight = layer.weight.data.tobytes(order="F")
    column_wise = npy(shape="(6, 8)", content=weight, fortran="True")
    contents["encoder.0.weight.npy"] = column_wise
    archive(path, contents.items())
    assert bits(mv.load(path)) == bits(make())


@pytest.mark.parametrize(
    "header, message",
    [
        (np.array(3), "its header is no text, but int64"),
        (np.array(["{}"]), "its header is no text"),
        (np.array("{"), "."),
        (np.array("[1]"), "its header is a list"),
        (np.array("{}"), "it is a minivae None"),
        (np.array("[" * 100000), "."),
        (np.array("1" * 10000), "."),
    ],
)
def test_a_header_that_is_wrong_is_refused(tmp_path, header, message):
    path = tmp_path / "m.npz"
    np.savez(path, minivae=header)
    with pytest.raises(ValueError, match=f"cannot use .*m.npz: .*{message}"):
        mv.load(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_compressed_member_is_not_even_opened(tmp_path, method):
    path = tmp_path / "m.npz"
    mv.save(make(), path)
    archive(path, members(path).items(), compression=method)
    with pytest.raises(ValueError, match="m.npz: its array .* is compressed"):
        mv.load(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name_are_refused(tmp_path):
    path = tmp_path / "m.npz"
    mv.save(make(), path)
    contents = [*members(path).items(), ("encoder.0.bias.npy", npy())]
    archive(path, contents)
    with pytest.raises(ValueError, match="two arrays of the name encoder.0.bias"):
        mv.load(path)


def test_members_cannot_share_their_bytes(tmp_path):
    """A directory may point at one large member many times."""
    path = tmp_path / "m.npz"
    mv.save(make(), path)
    contents = members(path)
    with zipfile.ZipFile(path, "w") as file:
        for name, content in contents.items():
            file.writestr(name, content)
        file.writestr("0000.npy", npy(shape="(20000,)", content=bytes(80000)))
        for i in range(50):
            again = zipfile.ZipInfo(f"{i + 1:04}.npy")
            original = file.getinfo("0000.npy")
            for field in ("header_offset", "CRC", "compress_size", "file_size", "create_system"):
                setattr(again, field, getattr(original, field))
            file.filelist.append(again)
            file.NameToInfo[again.filename] = again
    with pytest.raises(ValueError, match="its arrays claim"):
        mv.load(path)


def test_foreign_files(tmp_path):
    path = tmp_path / "m.npz"
    whole = (OLD / "vae.npz").read_bytes()
    foreign = [b"", b"hello", b"PK", whole[: len(whole) // 2], whole[:-1], whole[1:], whole[5:] * 2]
    for content in foreign:
        path.write_bytes(content)
        with pytest.raises(ValueError, match="cannot use .*m.npz: ."):
            mv.load(path)
    np.savez(path, a=np.ones(3))
    with pytest.raises(ValueError, match="minivae did not write it"):
        mv.load(path)
    with pytest.raises(FileNotFoundError):
        mv.load(tmp_path / "none.npz")


# Damage


def damaged(whole, rng):
    """A file with one bit flipped, or with a stretch cut out, copied, swapped or blanked."""
    content = bytearray(whole)
    kind = rng.integers(8)
    start, stop = sorted(rng.integers(len(whole), size=2))
    if kind < 4:
        content[start] ^= 1 << rng.integers(8)
    elif kind == 4:
        del content[start : start + 1 + rng.integers(64)]
    elif kind == 5:
        content[start : start + 64], content[stop : stop + 64] = (
            content[stop : stop + 64],
            content[start : start + 64],
        )
    elif kind == 6:
        content[start:stop] = bytes(stop - start)
    else:
        del content[start:]
    return bytes(content)


@pytest.mark.parametrize("name", ["vae", "conditional"])
def test_a_damaged_file_never_loads_as_another_model(tmp_path, name):
    path = tmp_path / "bad.npz"
    whole = (OLD / f"{name}.npz").read_bytes()
    good = mv.load(OLD / f"{name}.npz")
    rng = RNG(0)
    refused = 0
    for _ in range(250):
        path.write_bytes(damaged(whole, rng))
        try:
            model = mv.load(path)
        except ValueError as error:
            assert str(error).startswith(f"cannot use {path}: ")
            refused += 1
        else:  # a bit of a date, say, harms nothing
            assert type(model) is type(good) and model.config == good.config
            assert bits(model) == bits(good)
    assert refused > 180


def test_no_byte_of_a_members_header_may_change(tmp_path):
    """Flipped there, a bit makes NumPy read less, and the rest, with its checksum, is not looked
    at: a shape or type that is smaller would give another model."""
    path = tmp_path / "bad.npz"
    whole = (OLD / "vae.npz").read_bytes()
    begin = whole.find(b"\x93NUMPY", whole.find(b"decoder.1.weight.npy"))
    for i in range(128):
        content = bytearray(whole)
        content[begin + i] ^= 1 << i % 8
        path.write_bytes(content)
        with pytest.raises(ValueError, match="decoder.1.weight"):
            mv.load(path)


def test_nothing_is_ever_unpickled(tmp_path):
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "exploded"),)

    path = tmp_path / "bomb.npz"
    mv.save(make(), path)
    contents = members(path)
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.array(Bomb(), dtype=object), allow_pickle=True)
    for name in ("minivae.npy", "encoder.0.bias.npy"):
        archive(path, {**contents, name: stream.getvalue()}.items())
        with pytest.raises(ValueError, match="bomb.npz"):
            mv.load(path)
    assert not (tmp_path / "exploded").exists()


# What 0.1.0 wrote


@pytest.mark.parametrize("name", ["vae", "autoencoder", "conditional"])
def test_what_0_1_0_wrote_still_loads(name):
    model = mv.load(OLD / f"{name}.npz")
    with np.load(OLD / "expected.npz") as expected:
        np.testing.assert_allclose(model.reconstruct(X[:3]), expected[name], rtol=1e-5)
        if name == "conditional":
            np.testing.assert_array_equal(model.prior_mu.data, expected["prior_mu"])


@pytest.mark.parametrize("name", ["vae", "autoencoder", "conditional"])
def test_what_is_written_is_what_0_1_0_wrote(tmp_path, name):
    mv.save(mv.load(OLD / f"{name}.npz"), tmp_path / "m.npz")
    assert members(tmp_path / "m.npz") == members(OLD / f"{name}.npz")
