# SPDX-License-Identifier: GPL-3.0-or-later
"""The Backend panel: whether it runs and on what; its set-up. It reads state and changes none."""

import textwrap

import bpy

from ..bridge import runtime, setup
from ..core.session import BackendState, Session
from ..core.status_line import describe
from ..preferences import preferences

_PIXELS_A_LETTER = 7.0
_MAX_LINES = 8


class HMVLM_PT_backend(bpy.types.Panel):
    """Whether the backend runs, on what, and the buttons for it."""

    bl_idname = "HMVLM_PT_backend"
    bl_label = "Backend"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "HMVLM"

    def draw(self, context: bpy.types.Context) -> None:
        """The status line, what the backend says about itself, start or stop, and the doctor."""
        session, layout = runtime.peek(), self.layout
        _draw_status(layout, session)
        state = session.state if session is not None else BackendState.STOPPED
        if state is BackendState.STOPPED:
            far = preferences().where == "NETWORK"
            layout.operator(
                "hmvlm.start_backend", text="Connect" if far else "Start Backend", icon="PLAY"
            )
        else:
            ours = session is not None and (
                session.owns_backend
                or (state is BackendState.STARTING and preferences().where == "LOCAL")
            )
            text = "Stop Backend" if ours else "Disconnect"
            layout.operator("hmvlm.stop_backend", text=text, icon="CANCEL")
        if setup.examining():
            row = layout.row(align=True)
            row.label(text="The doctor is at work", icon="TIME")
            row.operator("hmvlm.cancel_setup", text="", icon="X")
        else:
            row = layout.row(align=True)
            row.operator("hmvlm.doctor", icon="HEART")
            if setup.diagnosis() is not None:
                row.operator("hmvlm.show_log", text="", icon="TEXT").text = setup.DOCTOR_LOG
        found = setup.diagnosis()
        if found is not None:
            _draw_text(layout, context, found.text, "CHECKMARK" if found.well else "ERROR")


class HMVLM_PT_setup(bpy.types.Panel):
    """Which backend: installed here, another one here, or one on another machine."""

    bl_idname = "HMVLM_PT_setup"
    bl_label = "Set-up"
    bl_parent_id = "HMVLM_PT_backend"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "HMVLM"

    def draw(self, context: bpy.types.Context) -> None:
        """The choice of the machine, then what belongs to it."""
        chosen, layout = preferences(), self.layout
        layout.row().prop(chosen, "where", expand=True)
        if chosen.where == "LOCAL":
            _draw_installation(layout, context)
        column = layout.column()
        column.use_property_split = True
        column.use_property_decorate = False
        if chosen.where == "NETWORK":
            chosen.draw_network(column)
        else:
            column.prop(chosen, "backend_path")


def _draw_status(layout: bpy.types.UILayout, session: Session | None) -> None:
    state = session.state if session is not None else BackendState.STOPPED
    icon = {
        BackendState.READY: "CHECKMARK",
        BackendState.BUSY: "PLAY",
        BackendState.STOPPED: "RADIOBUT_OFF",
    }.get(state, "TIME")
    column = layout.column(align=True)
    column.label(text=state.value.capitalize(), icon=icon)
    report = session.report if session is not None else None
    if report is not None:
        for line in describe(report):
            column.label(text=line, icon="BLANK1")


def _draw_installation(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    installer, there = setup.peek(), setup.installed()
    if installer is not None and installer.active:
        row = layout.row(align=True)
        row.progress(factor=installer.fraction, type="BAR", text=installer.step)
        row.operator("hmvlm.cancel_setup", text="", icon="X")
        layout.operator("hmvlm.show_log", icon="TEXT").text = setup.INSTALL_LOG
        return
    if there is None:
        layout.operator("hmvlm.install_backend", text="Install Backend...", icon="IMPORT")
    else:
        layout.label(text=f"Installed: version {there.version}, {there.choice}", icon="CHECKMARK")
        row = layout.row(align=True)
        row.operator("hmvlm.install_backend", text="Repair...", icon="TOOL_SETTINGS")
        row.operator("hmvlm.remove_backend", text="Remove...", icon="TRASH")
    if installer is not None and (installer.problem or installer.note):
        icon = "ERROR" if installer.problem else "CHECKMARK"
        _draw_text(layout, context, installer.problem or installer.note, icon)
        layout.operator("hmvlm.show_log", icon="TEXT").text = setup.INSTALL_LOG


def _draw_text(
    layout: bpy.types.UILayout, context: bpy.types.Context, text: str, icon: str
) -> None:
    pixels = context.region.width / context.preferences.system.ui_scale
    width = max(20, int(pixels / _PIXELS_A_LETTER) - 4)
    lines = [part for line in text.splitlines() for part in textwrap.wrap(line, width)]
    column = layout.column(align=True)
    column.scale_y = 0.8
    for i, line in enumerate(lines[:_MAX_LINES]):
        column.label(text=line, icon=icon if i == 0 else "BLANK1")


CLASSES = (HMVLM_PT_backend, HMVLM_PT_setup)
