# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a clip of every line of a table."""

import random
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import bpy
from bpy_extras.io_utils import ImportHelper

from ..bridge.errors import BridgeError
from ..bridge.orders import panel_target, variants
from ..bridge.rig_mapping import rig_settings
from ..core.batch import BatchError, Row, read_batch
from ..core.order import Finish, Order, Step
from ..core.styles import in_style
from ..generate_properties import generate_settings
from ..properties import MAX_SEED, settings, target_armature
from .watching import WatchJob


class HMVLM_OT_batch(WatchJob, bpy.types.Operator, ImportHelper):
    """Make a clip of every line of a CSV file with the columns prompt, seconds, seed"""

    bl_idname = "hmvlm.batch"
    bl_label = "Generate from CSV"
    bl_options: ClassVar[set[str]] = {"REGISTER"}

    filename_ext = ".csv"
    filter_glob: bpy.props.StringProperty(  # type: ignore[valid-type]
        default="*.csv;*.tsv;*.txt", options={"HIDDEN"}
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """One motion at a time, onto an armature."""
        return cls.may_ask(context)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Read the table, then ask for one clip after another."""
        armature = target_armature(context)
        if armature is None:
            return {"CANCELLED"}
        try:
            rig_settings(context.scene, armature)
            rows = read_batch(Path(self.filepath).read_text(encoding="utf-8"))
        except (BatchError, BridgeError) as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        except UnicodeDecodeError:
            self.report({"ERROR"}, f"{self.filepath} is not a UTF-8 text: save it as CSV UTF-8.")
            return {"CANCELLED"}
        except OSError as error:
            self.report({"ERROR"}, f"{self.filepath}: {error.strerror}. Choose another file.")
            return {"CANCELLED"}
        target = panel_target(context.scene, armature)
        return self.ask(context, _orders(context, rows), target, stay=False)


def _orders(context: bpy.types.Context, rows: list[Row]) -> list[Order]:
    asked, made = settings(context), generate_settings(context)
    seed = random.randint(0, MAX_SEED) if asked.random_seed else asked.seed
    finish = Finish(in_place=made.in_place, loop=made.loop)
    places = variants(Order((), seed, finish), len(rows), preview=made.preview)
    return [
        replace(
            place,
            steps=(Step(in_style(row.prompt, made.style), row.seconds),),
            seed=place.seed if row.seed is None else row.seed,
        )
        for place, row in zip(places, rows, strict=True)
    ]


CLASSES = (HMVLM_OT_batch,)
