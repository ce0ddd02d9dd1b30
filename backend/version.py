# SPDX-License-Identifier: Apache-2.0
"""The version of the installed package."""

from importlib.metadata import version


def package_version() -> str:
    """As pyproject.toml has it."""
    return version("hmvlm")
