# SPDX-License-Identifier: Apache-2.0
"""From pictures to poses: landmarks of a person, and SMPL rotations fitted to them."""
