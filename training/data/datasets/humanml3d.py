# SPDX-License-Identifier: Apache-2.0
"""HumanML3D: 14,616 motions of AMASS and HumanAct12 with 44,970 sentences, 20 fps, 22 joints.

Guo et al., "Generating Diverse and Natural 3D Human Motions from Text", CVPR 2022; the paper's
text-to-motion data (section 4.1). Source of the layout: README.md of EricGuo5513/HumanML3D; see
`text_motion` for the files.
"""

import numpy as np

from .base import DatasetInfo
from .text_motion import EXPECTED, TextMotionReader

HUMANML3D = DatasetInfo(
    name="humanml3d",
    title="HumanML3D",
    url="https://github.com/EricGuo5513/HumanML3D",
    licence="the texts and code are MIT; the motions are AMASS's and HumanAct12's, for "
    "non-commercial research, and AMASS asks each user to register",
    get="follow its README (raw_pose_processing, motion_representation, cal_mean_variance) with "
    "AMASS downloaded, unpack texts.zip, and give the folder HumanML3D/HumanML3D.",
    expected=EXPECTED,
)


class HumanML3D(TextMotionReader):
    """Records of (T, 263) features and (T, 22, 3) joints in metres, Y up."""

    info = HUMANML3D
    num_joints = 22
    feature_dim = 263
    fps = 20.0

    def smpl_joints(self, joints: np.ndarray) -> np.ndarray:
        return joints
