# SPDX-License-Identifier: Apache-2.0
"""`hmvlm demo`: from a sentence to an animated Blender scene, a video and a filmstrip.

command runs the steps in this environment; scene, body and stage run in Blender, in a process of
their own, with the add-on's own code for the armature and its keys.
"""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the verb."""
    from backend.demo import command

    command.add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Run the steps; 0 when every file was written."""
    from backend.demo import command

    return command.run(options)
