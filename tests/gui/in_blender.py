# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside the windowed Blender: sets the scene, then tells the test what happens there.

argv: the folder shared with the test, the extension's zip, the backend's Python, its options.
The test writes a word into `order`; the state goes to `state.json` five times a second. Lines of
Python that begin with `run` are executed here, and what they leave in `answer` goes to
`answer.json`.
"""

import json
import os
import sys
import time
from pathlib import Path

import bpy

from tests.gui import recorder

folder, zip_path, backend_python, backend_options = sys.argv[1:5]
FOLDER = Path(folder)
PACKAGE = "bl_ext.user_default.hmvlm"
ORDER_S, STATE_S = 0.05, 0.2
MAGENTA = (1.0, 0.0, 1.0, 1.0)


def set_up() -> None:
    """Install the extension as a user would, and make room for its panel."""
    bpy.ops.extensions.package_install_files(
        filepath=zip_path, repo="user_default", enable_on_install=True
    )
    chosen = bpy.context.preferences.addons[PACKAGE].preferences
    chosen.backend_path = backend_python
    chosen.connection_file = str(FOLDER / "connection.json")
    chosen.arguments = backend_options
    bpy.context.preferences.view.show_splash = False
    # without a window manager a second window is hard to reach
    bpy.context.preferences.view.filebrowser_display_type = "SCREEN"
    for thing in list(bpy.data.objects):
        bpy.data.objects.remove(thing)
    window = bpy.context.window_manager.windows[0]
    area = view(window)
    area.spaces.active.show_region_ui = True
    with bpy.context.temp_override(window=window, area=area, region=sidebar(area)):
        bpy.ops.hmvlm.add_armature()
        bpy.context.scene.hmvlm.random_seed = False
        bpy.ops.ed.undo_push(message="set up")


def view(window):
    """Its 3D view; None while a file browser fills it."""
    return next((a for a in window.screen.areas if a.type == "VIEW_3D"), None)


def sidebar(area):
    return next(r for r in area.regions if r.type == "UI")


def in_sidebar():
    """For operators that are called from here as a button calls them."""
    window = bpy.context.window_manager.windows[0]
    return bpy.context.temp_override(window=window, area=view(window), region=sidebar(view(window)))


def colour_buttons(colour) -> None:
    """Give operator buttons a colour that the test finds in a screenshot."""
    bpy.context.preferences.themes[0].user_interface.wcol_tool.inner = colour


def run(lines: str, names: dict) -> None:
    """Execute lines of Python; whatever is left in `answer` is the answer."""
    names["answer"] = None
    try:
        exec(lines, names)
        told = {"answer": names["answer"]}
    except Exception as error:
        told = {"error": f"{type(error).__name__}: {error}"}
    draft = FOLDER / "answer.draft"
    draft.write_text(json.dumps(told))
    draft.replace(FOLDER / "answer.json")


def obey(order: str, memory: dict) -> None:
    """Do what the test cannot do with a mouse."""
    if order.startswith("run\n"):
        run(order.removeprefix("run\n"), memory["names"])
        return
    plain = memory["plain"]
    area = view(bpy.context.window_manager.windows[0])
    if order == "colour":
        colour_buttons(MAGENTA)
    elif order == "plain":
        colour_buttons(plain)
    elif order == "frame":
        window = bpy.context.window_manager.windows[0]
        region = next(r for r in area.regions if r.type == "WINDOW")
        with bpy.context.temp_override(window=window, area=area, region=region):
            bpy.context.scene.frame_set(30)
            bpy.ops.view3d.view_axis(type="FRONT")
            bpy.ops.view3d.view_selected()
    elif order.startswith("panels "):
        show_panels(order.split()[1:])
    elif order == "install":
        window = bpy.context.window_manager.windows[0]
        with bpy.context.temp_override(window=window, area=area, region=sidebar(area)):
            bpy.ops.hmvlm.install_backend("INVOKE_DEFAULT")
    elif order.startswith("length "):
        bpy.context.scene.hmvlm.seconds = float(order.split()[1])
    elif order == "quit":
        bpy.ops.wm.quit_blender()
    area.tag_redraw()


def show_panels(names: list[str]) -> None:
    """Of our panels only these, and open, so that they fit on the screen."""
    # no path of this computer in a picture
    os.environ["HMVLM_PYTHON"] = backend_python
    bpy.context.preferences.addons[PACKAGE].preferences.backend_path = ""
    classes = sys.modules[f"{PACKAGE}.registration"].CLASSES
    ours = [cls for cls in classes if issubclass(cls, bpy.types.Panel)]
    for cls in ours:
        if cls.is_registered:
            bpy.utils.unregister_class(cls)
    for cls in ours:
        if cls.__name__.removeprefix("HMVLM_PT_") in names:
            if "DEFAULT_CLOSED" in getattr(cls, "bl_options", ()):
                cls.bl_options = set()
                cls.bl_idname += "_open"  # how a panel was is remembered by this name
            bpy.utils.register_class(cls)


def state() -> dict:
    """What the test waits for."""
    setup = sys.modules.get(f"{PACKAGE}.bridge.setup")
    runtime = sys.modules.get(f"{PACKAGE}.bridge.runtime")
    session = runtime.peek() if runtime is not None else None
    area = view(bpy.context.window_manager.windows[0])
    region = sidebar(area) if area is not None else None
    armature = bpy.data.objects.get("SMPL")
    animation = armature.animation_data if armature is not None else None
    action = animation.action if animation is not None else None
    return {
        "pid": os.getpid(),
        "state": session.state if session is not None else "stopped",
        "status": session.status if session is not None else "",
        "fraction": session.fraction if session is not None else 0.0,
        "problem": session.problem if session is not None else "",
        "note": session.note if session is not None else "",
        "report": session is not None and session.report is not None,
        "installing": setup is not None and setup.installing(),
        "diagnosis": setup.diagnosis().text if setup and setup.diagnosis() else "",
        "making": session is not None and session.request is not None,
        "backend_pid": session._launcher.pid if session and session._launcher else None,
        "armature": armature is not None,
        "action": action.name if action is not None else "",
        "range": list(action.frame_range) if action is not None else [],
        "tab": region.active_panel_category if region is not None else "",
        "sidebar": (
            [region.x, region.y, region.width, region.height] if region is not None else [0] * 4
        ),
        "window": [bpy.context.window_manager.windows[0].height],
    }


def watch(memory: dict) -> float:
    """The timer: first the set-up, then orders and reports."""
    if not memory:
        inner = bpy.context.preferences.themes[0].user_interface.wcol_tool.inner
        memory["plain"] = list(inner)
        set_up()
        watched = recorder.attach(PACKAGE)
        memory["names"] = {
            "bpy": bpy,
            "recorder": watched,
            "window": lambda: bpy.context.window_manager.windows[0],
            "session": sys.modules[f"{PACKAGE}.bridge.runtime"].peek,
            "setup": sys.modules[f"{PACKAGE}.bridge.setup"],
            "in_sidebar": in_sidebar,
        }
    order = FOLDER / "order"
    if order.exists():
        text = order.read_text()
        order.unlink()
        obey(text, memory)
    if time.monotonic() >= memory.get("next", 0.0):
        memory["next"] = time.monotonic() + STATE_S
        draft = FOLDER / "state.draft"
        draft.write_text(json.dumps(state()))
        draft.replace(FOLDER / "state.json")
    return ORDER_S


seen: dict = {}
bpy.app.timers.register(lambda: watch(seen), first_interval=1.0, persistent=True)
