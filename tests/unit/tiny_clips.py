# SPDX-License-Identifier: Apache-2.0
"""A toy that reads clips."""

from tiny_pose import tiny_pose_model

from backend.model.configuration import VisionConfig
from backend.model.hmvlm import Hmvlm

CLIP_VISION = VisionConfig(rows=3, width=16, clip_rows=1, clip_width=16)


def tiny_clip_model(vision: VisionConfig = CLIP_VISION) -> Hmvlm:
    return tiny_pose_model(vision)
