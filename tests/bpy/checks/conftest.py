# SPDX-License-Identifier: GPL-3.0-or-later
"""What the checks inside Blender share: an empty scene for each, a motion, the real extension."""

import importlib
import os
import sys
from types import ModuleType

import bpy
import numpy as np
import pytest

from blender_addon.shared.motion import Motion

PACKAGE = "bl_ext.user_default.hmvlm"
_STATUS = pytest.StashKey[int]()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session, exitstatus):
    """Keep how the checks went for `pytest_unconfigure`."""
    session.config.stash[_STATUS] = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config):
    """With Rigify, Blender as a module hangs (4.5) or crashes (4.2) when it ends: do not let it."""
    if "rigify" in sys.modules:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(config.stash.get(_STATUS, 1))


@pytest.fixture(autouse=True)
def empty_scene():
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)


@pytest.fixture
def motion() -> Motion:
    """3 s of 22 joints wandering by random steps, far enough for several turns."""
    rng = np.random.default_rng(7)
    poses = np.cumsum(rng.normal(0, 0.1, (60, 22, 3)), axis=0)
    trans = np.cumsum(rng.normal(0, 0.03, (60, 3)), axis=0)
    return Motion(poses, trans, 20.0)


@pytest.fixture(scope="session")
def extension() -> ModuleType:
    """The built zip, installed and switched on as a user would."""
    if PACKAGE not in sys.modules:
        bpy.ops.extensions.package_install_files(
            filepath=os.environ["HMVLM_ZIP"], repo="user_default", enable_on_install=True
        )
    return sys.modules[PACKAGE]


@pytest.fixture
def part(extension):
    """A function that gives a module of the installed extension by its dotted name."""
    return lambda name: importlib.import_module(f"{PACKAGE}.{name}")
