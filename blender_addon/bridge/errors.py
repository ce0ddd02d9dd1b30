# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong in a scene, told to the person in front of it."""


class BridgeError(Exception):
    """The scene does not allow what was asked; the message says what to do."""
