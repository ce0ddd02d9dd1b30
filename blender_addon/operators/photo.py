# SPDX-License-Identifier: GPL-3.0-or-later
"""A photo from a file, dropped or out of the clipboard: who is in it, and which of them counts."""

from pathlib import Path
from typing import ClassVar

import bpy

from ..bridge.errors import BridgeError
from ..bridge.photo import image_pixels
from ..core.asks import PeopleAsk
from ..core.media import PICTURES, path_in
from .job import JobOperator, target_now

_GLOB = ";".join(f"*{suffix}" for suffix in PICTURES)


class HMVLM_OT_open_photo(JobOperator, bpy.types.Operator):
    """Open a photo and find the people in it; the pose of a single one is keyed at the playhead"""

    bl_idname = "hmvlm.open_photo"
    bl_label = "Open Photo"
    bl_options: ClassVar[set[str]] = {"REGISTER"}
    doing = "looking for people"

    filter_glob: bpy.props.StringProperty(default=_GLOB, options={"HIDDEN"})  # type: ignore[valid-type]
    filepath: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="File", description="The photo", subtype="FILE_PATH", options={"SKIP_SAVE"}
    )
    pose_after: bpy.props.BoolProperty(  # type: ignore[valid-type]
        name="Key the Pose",
        description="With one person in the photo, go on and key the pose at the playhead",
        default=True,
    )

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """A file that was dropped is there already; else choose one."""
        if self.filepath:
            return self.execute(context)
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Send it."""
        path = Path(bpy.path.abspath(self.filepath))
        if not path.is_file():
            return self.refuse(f"There is no file {path}: choose a photo.")
        ask = PeopleAsk(
            path=str(path.resolve()), pose_after=self.pose_after, target=target_now(context)
        )
        return self.begin(context, ask)


class HMVLM_OT_paste_photo(JobOperator, bpy.types.Operator):
    """Take the photo that was copied: a picture, or a file with one"""

    bl_idname = "hmvlm.paste_photo"
    bl_label = "Paste Photo"
    bl_options: ClassVar[set[str]] = {"REGISTER"}
    doing = "looking for people"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """The picture first: some programs copy its address beside it."""
        target = target_now(context)
        try:
            image = _clipboard_image(context)
            if image is not None:
                pixels = image_pixels(image)
                bpy.data.images.remove(image)
                return self.begin(context, PeopleAsk(pixels=pixels, target=target))
        except BridgeError as error:
            return self.refuse(str(error))
        path = path_in(context.window_manager.clipboard, PICTURES)
        if path is None:
            return self.refuse(
                "The clipboard holds no picture: copy one in a viewer or a browser, or a file."
            )
        return self.begin(context, PeopleAsk(path=str(path.resolve()), target=target))


def _clipboard_image(context: bpy.types.Context) -> bpy.types.Image | None:
    """The picture in the clipboard as a new image; None when there is none."""
    before = set(bpy.data.images)
    area = context.area
    if area is None:
        return None
    was = area.type
    area.type = "IMAGE_EDITOR"  # Blender pastes pictures there alone
    try:
        region = next(region for region in area.regions if region.type == "WINDOW")
        with context.temp_override(area=area, region=region):
            if bpy.ops.image.clipboard_paste.poll():
                bpy.ops.image.clipboard_paste()
    except RuntimeError:  # a picture of a kind that Blender cannot read
        return None
    finally:
        area.type = was
    return next((image for image in bpy.data.images if image not in before), None)


class HMVLM_OT_choose_person(bpy.types.Operator):
    """Take the pose of this person; the numbers stand on the photo (Show Beside)"""

    bl_idname = "hmvlm.choose_person"
    bl_label = "Choose Person"
    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}

    number: bpy.props.IntProperty(  # type: ignore[valid-type]
        name="Person", description="Counted from 1, the largest person", default=1, min=1
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """With people to choose from."""
        return len(context.scene.hmvlm_pose.people) > 0

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Choose."""
        asked = context.scene.hmvlm_pose
        if self.number > len(asked.people):
            self.report({"ERROR"}, f"The photo shows {len(asked.people)}: choose one of them.")
            return {"CANCELLED"}
        asked.active = self.number - 1
        for area in context.screen.areas if context.screen is not None else ():
            if area.type == "IMAGE_EDITOR":
                area.tag_redraw()
        return {"FINISHED"}


class HMVLM_FH_photo(bpy.types.FileHandler):
    """Photos that are dropped onto the sidebar of a 3D view."""

    bl_idname = "HMVLM_FH_photo"
    bl_label = "HMVLM: Pose from Photo"
    bl_import_operator = "hmvlm.open_photo"
    bl_file_extensions = ";".join(PICTURES)

    @classmethod
    def poll_drop(cls, context: bpy.types.Context) -> bool:
        """In 3D views; over the view itself Blender's own image empties come first."""
        return context.area is not None and context.area.type == "VIEW_3D"


CLASSES = (HMVLM_OT_open_photo, HMVLM_OT_paste_photo, HMVLM_OT_choose_person, HMVLM_FH_photo)
