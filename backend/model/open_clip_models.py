# SPDX-License-Identifier: Apache-2.0
"""CLIP models by name: their trained weights, or an error that says what to do."""

from pathlib import Path
from typing import Any

from ..errors import AssetError

OPEN_CLIP = "open_clip:"


def create_open_clip(name: str, what: str, example: str) -> tuple[Any, str]:
    """The model that "open_clip:MODEL/PRETRAINED" names, and MODEL.

    PRETRAINED: a tag of open_clip's or a file of weights. A tag's weights are downloaded once.
    what, example: what the model is for and such a name, for messages. Raises AssetError when the
    name is not of that form or its weights cannot be had: an untrained tower is never given out.
    """
    import open_clip

    architecture, _, pretrained = name.removeprefix(OPEN_CLIP).partition("/")
    if open_clip.get_model_config(architecture) is None:
        raise AssetError(
            f"open_clip has no model '{architecture}'. Name {what} as in {OPEN_CLIP}{example}."
        )
    tags = open_clip.list_pretrained_tags_by_model(architecture)
    if pretrained not in tags and not Path(pretrained).is_file():
        raise AssetError(
            f"'{name}' does not say which weights: '{pretrained}' is neither a file nor one of "
            f"open_clip's for {architecture} ({', '.join(tags) or 'none'}). Add one after a "
            "slash."
        )
    known = open_clip.get_pretrained_cfg(architecture, pretrained) if pretrained in tags else {}
    try:
        model = open_clip.create_model(
            architecture,
            pretrained=pretrained,
            require_pretrained=True,
            force_quick_gelu=bool(known.get("quick_gelu")),
        )
    except Exception as error:  # a damaged file can raise whatever its bytes spell
        raise AssetError(
            f"The weights of '{name}' cannot be had: {error or type(error).__name__}. Go "
            "online, or download them elsewhere and name the file: "
            f"{OPEN_CLIP}{architecture}/FILE."
        ) from error
    return model, architecture
