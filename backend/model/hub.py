# SPDX-License-Identifier: Apache-2.0
"""Base models from the Hugging Face hub: fetched once, and what to do when that fails."""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from .. import assets
from ..errors import AssetError

VICUNA_CHAT = (
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives "
    "helpful, detailed, and polite answers to the user's questions. "
    "{% for m in messages %}{% if m['role'] == 'user' %}USER: {{ m['content'] }} "
    "{% elif m['role'] == 'assistant' %}ASSISTANT: {{ m['content'] }}</s>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)
"""The form of chat that Vicuna v1.5 was trained with; its tokenizer's files do not hold it."""
_TEXT_FILES = ("*.json", "*.model", "*.jinja", "*.txt")
_SAFE, _PICKLED = "*.safetensors", "pytorch_model*.bin"


def is_hub_name(name: str) -> bool:
    """Whether it could be OWNER/MODEL."""
    return re.fullmatch(r"[\w.-]+/[\w.-]+", name) is not None and not name.startswith(".")


def fetch(name: str) -> tuple[Path, str]:
    """The folder of a model of the hub, in the hub's own cache, and the sha256 of its weights.

    Pickled weights are taken where a model has no others (Vicuna); transformers reads nothing but
    tensors from them. Raises AssetError.
    """
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )

    try:
        try:
            files = HfApi().list_repo_files(name)
            safe = any(Path(file).match(_SAFE) for file in files)
            patterns = [*_TEXT_FILES, _SAFE if safe else _PICKLED]
            folder = Path(snapshot_download(name, allow_patterns=patterns))
        except (GatedRepoError, RepositoryNotFoundError):
            raise
        except (OSError, HfHubHTTPError, OfflineModeIsEnabled):
            # no network: what an earlier run fetched is as good
            folder = Path(snapshot_download(name, local_files_only=True))
    except GatedRepoError as error:
        raise AssetError(
            f"'{name}' is given only to those who accept its licence: log in at "
            f"https://huggingface.co/{name}, accept it there, run `hf auth login` here, and start "
            "again."
        ) from error
    except RepositoryNotFoundError as error:
        raise AssetError(
            f"There is no model '{name}' on the Hugging Face hub, or it is private: check the "
            "name, and run `hf auth login` if it needs an account."
        ) from error
    except (LocalEntryNotFoundError, OSError) as error:
        raise AssetError(
            f"'{name}' is not in this machine's Hugging Face cache and the hub cannot be reached "
            f"({type(error).__name__}). Connect to the network; or copy the model's folder here "
            "and give its path; or train on the embedded base model, `--base-model smollm2`.",
            retryable=True,
        ) from error
    weights = sorted(folder.glob(_SAFE)) or sorted(folder.glob(_PICKLED))
    if not weights:
        raise AssetError(f"'{name}' has no weights that transformers can read.")
    return folder, digest_of(weights)


def digest_of(weights: Sequence[Path]) -> str:
    """sha256 of a file of weights, or, for several, of their sha256s in a row."""
    digests = [_sha256(path) for path in weights]
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def _sha256(path: Path) -> str:
    """The hub's cache names a large file by its sha256; other files are read."""
    named = path.resolve().name
    if path.is_symlink() and re.fullmatch(r"[0-9a-f]{64}", named):
        return named
    return assets.sha256_of(path)
