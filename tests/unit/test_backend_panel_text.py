# SPDX-License-Identifier: Apache-2.0
"""What the Backend panel says: the report and the doctor in a few words."""

import zipfile

import pytest

import build_backend
from blender_addon.core.doctor import diagnose
from blender_addon.core.status_line import describe
from blender_addon.shared.protocol import StatusReport


def test_the_report_in_words():
    report = StatusReport(
        model="loaded",
        model_name="SmolLM2",
        device="cuda",
        device_name="Big GPU",
        memory_bytes=1_240_000_000,
        device_memory_bytes=2_000_000_000,
        device_memory_total=80_000_000_000,
        queued=["a", "b"],
    )
    assert describe(report) == [
        "SmolLM2 on Big GPU",
        "Memory: 1.2 GB, 2.0 of 80 GB on the GPU",
        "Jobs waiting: 2",
    ]


def test_a_server_that_tells_less():
    assert describe(StatusReport(model="not loaded")) == ["Model not loaded"]
    assert describe(StatusReport()) == ["Model not loaded"]
    assert describe(StatusReport(model="loaded", device="cpu")) == ["Model on cpu"]


WELL = ["ok    python: 3.11", "note  bpy: No module", "      -> Reinstall it", "All is well."]


def test_the_doctor_in_words():
    assert diagnose(WELL, 0).well
    assert diagnose(WELL, 0).text == "All is well: 2 checks"
    found = diagnose(["ok    python: 3.11", "FAIL  torch: none", "FAIL  weights: no"], 1)
    assert not found.well
    assert found.text == "Something is wrong: torch, weights"
    crashed = diagnose(["Traceback", "ImportError: zmq", ""], 1)
    assert crashed.text == "The doctor could not do its work: ImportError: zmq"
    assert not diagnose([], 0).well


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    return build_backend.write_package(tmp_path_factory.mktemp("backend"))


def test_the_backends_wheel(package):
    with zipfile.ZipFile(package) as archive:
        names = set(archive.namelist())
        metadata = archive.read("hmvlm-0.1.0.dist-info/METADATA").decode()
        record = archive.read("hmvlm-0.1.0.dist-info/RECORD").decode().split("\n")
    assert {"backend/cli.py", "blender_addon/shared/protocol.py"} <= names
    assert "blender_addon/core/client.py" in names
    assert "backend/weights/default/manifest.json" in names
    assert not [name for name in names if name.startswith(("training", "blender_addon/ui"))]
    assert "Requires-Dist: torch\n" in metadata
    assert "bpy" not in metadata.replace("blender", "")
    assert {line.rsplit(",", 2)[0] for line in record if line} == names


def test_the_exact_versions_go_with_it(package):
    lines = (package.parent / "constraints.txt").read_text().splitlines()
    assert "torch==2.11.0" in lines
    assert not [line for line in lines if line.startswith("bpy")]
