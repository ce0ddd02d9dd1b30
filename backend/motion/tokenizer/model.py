# SPDX-License-Identifier: Apache-2.0
"""The body-part motion tokenizer: a VQ-VAE with one codebook a body part (HMVLM, section 3.2)."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from backend.errors import AssetError, InvalidInput
from backend.motion.representation import FEATURE_DIM

from .config import MotionTokenizerConfig
from .quantizer import PartQuantizer
from .spatial import SpatialEncoder
from .temporal import TemporalDecoder, TemporalEncoder

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"


@dataclass(frozen=True)
class TokenizerOutput:
    """One training pass. features: (B, T, 272) normalised; codes: (B, T / 4, P), none when not
    quantised; commitment: ()."""

    features: Tensor
    codes: Tensor | None
    commitment: Tensor


class MotionTokenizer(nn.Module):
    """Motion features in raw smpl22 units to codes at a quarter of the frame rate, and back."""

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        config: MotionTokenizerConfig,
        mean: Tensor | None = None,
        std: Tensor | None = None,
    ) -> None:
        """mean, std: (272,) of the training data; 0 and 1 when not given."""
        super().__init__()
        self.config = config
        self.register_buffer("mean", torch.zeros(FEATURE_DIM) if mean is None else mean.clone())
        self.register_buffer("std", torch.ones(FEATURE_DIM) if std is None else std.clone())
        self.spatial = SpatialEncoder(config)
        self.encoder = TemporalEncoder(config)
        self.quantizer = PartQuantizer(config.num_parts, config.codebook_size, config.code_dim)
        self.decoder = TemporalDecoder(config)

    def normalize(self, features: Tensor) -> Tensor:
        """(..., 272) raw units -> zero mean, unit variance on the training data."""
        return (features - self.mean) / self.std

    def denormalize(self, features: Tensor) -> Tensor:
        """The inverse of `normalize`."""
        return features * self.std + self.mean

    def forward(self, normalized: Tensor, quantise: bool = True) -> TokenizerOutput:
        """(B, T, 272) normalised features through codes and back; T a multiple of 4.

        Without `quantise` the latents pass as they are: a plain auto-encoder, which training
        begins with, so that the codebooks start on latents that already mean something.
        """
        latents = self.encoder(self.spatial(normalized))
        if not quantise:
            made = self.decoder(self.quantizer.skip(latents))
            return TokenizerOutput(made.float(), None, made.new_zeros((), dtype=torch.float32))
        # codes are compared and averaged in single precision even where the layers are not
        with torch.autocast(latents.device.type, enabled=False):
            quantised, codes, commitment = self.quantizer(latents.float())
        return TokenizerOutput(self.decoder(quantised).float(), codes, commitment)

    @torch.no_grad()
    def encode(self, features: Tensor) -> Tensor:
        """(B, T, 272) raw features, T a multiple of 4 -> codes (B, T / 4, P), long."""
        if features.ndim != 3 or features.shape[-1] != FEATURE_DIM:
            raise InvalidInput(f"Motion features must be (B, T, {FEATURE_DIM}).")
        step = self.config.DOWNSAMPLING
        if features.shape[1] == 0 or features.shape[1] % step:
            raise InvalidInput(
                f"{features.shape[1]} frames cannot be encoded: crop to a multiple of {step}."
            )
        latents = self.encoder(self.spatial(self.normalize(features)))
        return self.quantizer.lookup(latents)

    @torch.no_grad()
    def decode(self, codes: Tensor) -> Tensor:
        """codes (B, L, P) -> (B, 4 L, 272) raw features.

        Decoding a prefix is allowed: its first `final_frames(L)` frames are those that the whole
        sequence will give.
        """
        if codes.ndim != 3 or codes.shape[-1] != self.config.num_parts:
            raise InvalidInput(f"Motion codes must be (B, L, {self.config.num_parts}).")
        return self.denormalize(self.decoder(self.quantizer.vectors(codes)))

    @property
    def receptive_field_steps(self) -> int:
        """R: a frame of step l depends on the codes of steps l - R to l + R and on no others."""
        step = self.config.DOWNSAMPLING
        return -(-self.decoder.reach_frames // step)

    def final_frames(self, known_steps: int) -> int:
        """How many first frames no longer change once `known_steps` steps of codes are known."""
        frames = known_steps * self.config.DOWNSAMPLING - self.decoder.reach_frames
        return max(0, frames)

    def codebook_vectors(self) -> Tensor:
        """(P, K, S) the code vectors."""
        return self.quantizer.codebook

    def save_pretrained(self, folder: str | Path) -> None:
        """Write config.json and model.safetensors (half precision, statistics in single)."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {}
        for name, value in self.state_dict().items():
            if name in _TRAINING_ONLY:
                continue
            keep = name in ("mean", "std") or not value.is_floating_point()
            tensors[name] = value.detach().cpu().to(value.dtype if keep else torch.float16)
        save_file({k: v.contiguous() for k, v in tensors.items()}, folder / WEIGHTS_FILE)
        text = json.dumps(self.config.to_dict(), indent=2)
        (folder / CONFIG_FILE).write_text(text + "\n", encoding="utf-8")

    @staticmethod
    def from_pretrained(folder: str | Path) -> "MotionTokenizer":
        """Load what save_pretrained wrote, in single precision, ready to use (eval mode)."""
        folder = Path(folder)
        hint = "train one with `hmvlm-train tokenizer`, or restore the shipped files"
        try:
            values = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
            config = MotionTokenizerConfig.from_dict(values)
            tensors = load_file(folder / WEIGHTS_FILE)
        except FileNotFoundError as error:
            raise AssetError(f"No motion tokenizer in {folder}: {hint}.") from error
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise AssetError(f"The motion tokenizer in {folder} is damaged: {hint}.") from error
        model = MotionTokenizer(config)
        tensors = {k: v.float() if v.is_floating_point() else v for k, v in tensors.items()}
        expected = {k: v.shape for k, v in model.state_dict().items() if k not in _TRAINING_ONLY}
        if expected != {k: v.shape for k, v in tensors.items()}:
            raise AssetError(f"The motion tokenizer in {folder} does not fit its config: {hint}.")
        model.load_state_dict(tensors, strict=False)
        return model.eval()


_TRAINING_ONLY = {"quantizer.wins", "quantizer.sums", "quantizer.started"}
