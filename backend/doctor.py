# SPDX-License-Identifier: Apache-2.0
"""`hmvlm doctor`: what is installed, what is missing, and what to do about it.

Every check is a function that returns findings; one that fails does not keep the next from running.
"""

import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from backend.errors import HmvlmError

WEIGHTS = Path(__file__).resolve().parent / "weights" / "default"
MIN_FREE_BYTES = 1_000_000_000
IMPORT_LIMIT_S = 180.0


@dataclass(frozen=True)
class Finding:
    """One line of the report. remedy: what to do; empty when all is well.

    required: whether the backend cannot work without it.
    """

    name: str
    detail: str
    ok: bool = True
    remedy: str = ""
    required: bool = True


def doctor(connection_file: Path | None) -> int:
    """Print the report; 0 when nothing that is required fails."""
    healthy = True
    for finding in examine(connection_file):
        mark = "ok  " if finding.ok else ("FAIL" if finding.required else "note")
        print(f"{mark}  {finding.name}: {finding.detail}", flush=True)
        if finding.remedy:
            print(f"      -> {finding.remedy}", flush=True)
        healthy &= finding.ok or not finding.required
    print("All is well." if healthy else "Something is missing: see the lines marked FAIL.")
    return 0 if healthy else 1


def examine(connection_file: Path | None) -> Iterator[Finding]:
    """Every check in turn."""
    yield check_python()
    yield check_import("torch", "torch.__version__, _device()", _DEVICE, required=True)
    yield check_import("bpy", "bpy.app.version_string", "", required=False)
    yield check_curve()
    yield from check_assets()
    yield check_weights()
    yield check_space()
    yield check_server(connection_file)


def check_python() -> Finding:
    version = platform.python_version()
    ok = (3, 11) <= sys.version_info[:2] <= (3, 13)
    remedy = "" if ok else "Use Python 3.11 to 3.13."
    return Finding("python", f"{version} on {platform.system()} ({sys.executable})", ok, remedy)


_DEVICE = """
def _device():
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"cpu, {torch.get_num_threads()} threads"
"""


def check_import(module: str, expression: str, setup: str, *, required: bool) -> Finding:
    """Import a heavy module in a process of its own: a broken one may not raise but crash."""
    # Blender prints on import and at exit, so the answer is marked
    program = f"import {module}\n{setup}\nprint('\\nANSWER', {expression})"
    remedy = f"Reinstall it: `uv sync --reinstall-package {module}`."
    try:
        result = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=IMPORT_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Finding(module, f"no answer in {IMPORT_LIMIT_S:.0f} s", False, remedy, required)
    answers = [line for line in result.stdout.splitlines() if line.startswith("ANSWER ")]
    if answers:
        return Finding(module, answers[-1].removeprefix("ANSWER "), required=required)
    said = (result.stderr.strip() or f"exit code {result.returncode}").splitlines()[-1]
    return Finding(module, said, False, remedy, required)


def check_curve() -> Finding:
    import zmq

    ok = bool(zmq.has("curve"))
    detail = f"pyzmq {zmq.__version__}, libzmq {zmq.zmq_version()}, CURVE {'yes' if ok else 'no'}"
    remedy = "" if ok else "Install pyzmq from its wheel, which has CURVE built in."
    return Finding("zeromq", detail, ok, remedy)


def check_assets() -> Iterator[Finding]:
    """Each base model in the cache, every byte of it."""
    from backend import assets

    for asset in assets.status(thorough=True):
        identity = f"sha256 {assets.get(asset.name).sha256[:12]}, {asset.folder}"
        yield Finding(
            asset.name,
            f"{asset.state}, {identity}",
            ok=asset.state == "ready",
            remedy=asset.problem,
            required=asset.state != "missing",  # it is fetched when it is first needed
        )


def check_weights() -> Finding:
    """The trained weights of the package, against their manifest."""
    from backend.assets import check_manifest

    advice = "Restore it from the repository: `git checkout -- backend/weights`."
    try:
        check_manifest(WEIGHTS, advice, thorough=True)
    except HmvlmError as error:
        return Finding("weights", str(WEIGHTS), False, error.message)
    return Finding("weights", str(WEIGHTS))


def check_space() -> Finding:
    from backend.assets import CACHE_VARIABLE, cache_dir

    folder = cache_dir()
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    ok = free >= MIN_FREE_BYTES
    remedy = "" if ok else f"Free some, or set {CACHE_VARIABLE} to a folder on another disk."
    return Finding("cache", f"{folder}, {free / 1e9:.1f} GB free", ok, remedy)


def check_server(connection_file: Path | None) -> Finding:
    """Whether a server runs and answers; none is fine."""
    from backend.session import connect, server_status
    from blender_addon.core.client import Client
    from blender_addon.shared.connection import default_connection_file

    path = (connection_file or default_connection_file()).absolute()
    if not path.exists():
        return Finding("server", "none runs (one is started when it is needed)")
    client = Client(path, name="doctor")
    try:
        problem = connect(client)
        if problem:
            return Finding("server", f"{path} is there, but: {problem}", False, "", False)
        report = server_status(client)
    finally:
        client.close()
    return Finding(
        "server",
        f"hmvlm {report.package}, process {report.pid}, worker {report.worker}, "
        f"model {report.model}{f' on {report.device}' if report.device else ''}, "
        f"{len(report.queued)} jobs waiting",
    )
