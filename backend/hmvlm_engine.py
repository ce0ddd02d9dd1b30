# SPDX-License-Identifier: Apache-2.0
"""The engine of this package: HMVLM, its tasks, and what a request for them must look like."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from backend.describe_engine import Describe, DescribeMotion
from backend.engine import Arrays, EngineOptions, JobContext, Output, Params, Task
from backend.errors import HmvlmError, InvalidInput
from backend.tasks.requests import (
    ChatParams,
    PoseParams,
    TextToMotionParams,
    validate,
    validate_chat,
    validate_pose,
)
from backend.track_task import Track
from backend.wire_params import convert as _convert
from blender_addon.shared.codec import motion_arrays, motion_from_arrays
from blender_addon.shared.motion import Motion, MotionError

MAX_GATE_PROMPTS = 256
MAX_GATE_PROMPT_CHARS = 20_000


def create(options: EngineOptions) -> "HmvlmEngine":
    """The engine of this package."""
    return HmvlmEngine(options)


class HmvlmEngine:
    """Holds the model once it is loaded."""

    def __init__(self, options: EngineOptions) -> None:
        self._options = options
        self._model: Any = None
        self.device = ""
        self.model_name = ""
        self.tasks: Mapping[str, Task] = {
            "text_to_motion": TextToMotion(self),
            "pose": Pose(self),
            "describe": Describe(self),
            "describe_motion": DescribeMotion(self),
            "track": Track(lambda: self.model),
            "people": People(),
            "chat": Chat(self),
            "gate": Gate(self),
        }

    @property
    def loaded(self) -> bool:
        return self._model is not None

    @property
    def model(self) -> Any:
        """The loaded model (backend.model.hmvlm.Hmvlm)."""
        if self._model is None:
            raise HmvlmError("The model is not loaded.")
        return self._model

    def load(self, progress: Callable[[float, str], None]) -> None:
        """Import torch and load the weights; seconds, or minutes the first time."""
        progress(0.0, "starting PyTorch")
        import torch

        from backend.model.loading import load_hmvlm

        device = self._options.device
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        self._fetch(progress)
        progress(0.5, "loading model")
        self._model = load_hmvlm(self._options.weights, device=device)
        self.device = device
        self.model_name = _title(self._model.config.base_model)
        progress(1.0, "model loaded")

    def _fetch(self, progress: Callable[[float, str], None]) -> None:
        """Have what the weights build on in the cache; loading would fetch it too, but mutely."""
        from backend import assets
        from backend.model.configuration import HmvlmConfig
        from backend.model.loading import ADAPTER_FOLDER, DEFAULT_CHECKPOINT

        folder = (self._options.weights or DEFAULT_CHECKPOINT) / ADAPTER_FOLDER
        if not folder.is_dir():
            return  # load_hmvlm says what is wrong with it
        config = HmvlmConfig.load(folder)
        for name in (config.base_model, config.gate.encoder):
            if name in assets.ASSETS:
                assets.ensure(name, lambda done, message: progress(0.5 * done, message))


def _title(base_model: str) -> str:
    from backend import assets

    if base_model in assets.ASSETS:
        return assets.get(base_model).title
    return base_model.rsplit("/", 1)[-1]


# --- text to motion ---------------------------------------------------------------------------


class _TextToMotionRequest(msgspec.Struct, frozen=True):
    prompt: str
    seconds: float | None = TextToMotionParams.seconds
    seed: int = TextToMotionParams.seed
    temperature: float = TextToMotionParams.temperature
    top_p: float = TextToMotionParams.top_p
    guidance: float = TextToMotionParams.guidance
    start_fps: float | None = None
    end_fps: float | None = None


class TextToMotion:
    """A sentence to motion, from its first frames on.

    params: the fields of TextToMotionParams; start and end travel as the arrays start_poses,
    start_trans (with start_fps), end_poses, end_trans (with end_fps). Result: poses (T, 22, 3),
    trans (T, 3), fps, prompt, seed, alpha.
    """

    def __init__(self, engine: HmvlmEngine) -> None:
        self._engine = engine

    def check(self, params: Params, arrays: Arrays) -> None:
        validate(parse_text_to_motion(params, arrays))

    def run(self, params: Params, arrays: Arrays, job: JobContext) -> Output:
        from backend.tasks.text_to_motion import text_to_motion

        request = parse_text_to_motion(params, arrays)
        made = text_to_motion(
            self._engine.model, request, job.progress, _motion_chunks(job), job.is_cancelled
        )
        values = {
            "fps": float(made.motion.fps),
            "prompt": request.prompt,
            "seed": int(made.seed),
            "alpha": [float(a) for a in made.alpha],
        }
        return Output(values, motion_arrays(made.motion))


def parse_text_to_motion(params: Params, arrays: Arrays) -> TextToMotionParams:
    """Wire parameters to a request; InvalidInput names the field that is wrong."""
    request = _convert(params, _TextToMotionRequest)
    return TextToMotionParams(
        prompt=request.prompt,
        seconds=request.seconds,
        seed=request.seed,
        temperature=request.temperature,
        top_p=request.top_p,
        guidance=request.guidance,
        start=_clip(arrays, "start", request.start_fps),
        end=_clip(arrays, "end", request.end_fps),
    )


def _motion_chunks(job: JobContext) -> Callable[[int, Motion], None]:
    def on_chunk(start_frame: int, motion: Motion) -> None:
        values = {"fps": float(motion.fps)}
        job.chunk(start_frame=start_frame, values=values, arrays=motion_arrays(motion))

    return on_chunk


def _clip(arrays: Arrays, name: str, fps: float | None) -> Motion | None:
    if f"{name}_poses" not in arrays:
        return None
    try:
        return motion_from_arrays(arrays, fps or 0.0, f"{name}_")
    except MotionError as error:
        raise InvalidInput(f"The {name} motion cannot be used: {error}.") from error


# --- pose -------------------------------------------------------------------------------------


class _PoseRequest(msgspec.Struct, frozen=True):
    image: str = ""
    box: list[float] | None = None
    refine: bool = PoseParams.refine
    seed: int = PoseParams.seed
    temperature: float = PoseParams.temperature
    top_p: float = PoseParams.top_p
    samples: int = PoseParams.samples


class Pose:
    """A picture of a person to a pose.

    params: the fields of PoseParams; the picture is a path on this computer, or the array `image`
    (height, width, 3) uint8. Result: poses (1, 22, 3), trans (1, 3) and fps as of a motion of one
    frame; camera (3, 3), root_camera (3,), joints_image (22, 2) and landmarks_image (33, 3) in
    pixels, landmarks_world (33, 3), visibility (33,), score, error_pixels, codes, seed, alpha.
    """

    def __init__(self, engine: HmvlmEngine) -> None:
        self._engine = engine
        self._networks: Any = None

    def check(self, params: Params, arrays: Arrays) -> None:
        validate_pose(parse_pose(params, arrays))

    def run(self, params: Params, arrays: Arrays, job: JobContext) -> Output:
        from backend import assets
        from backend.tasks.pose_estimation import pose_estimation
        from backend.vision.blazepose import BlazePose

        self._engine.model.seeing()  # before anything is fetched for nothing
        if self._networks is None:
            folder = assets.ensure("blazepose", lambda done, say: job.progress(0.05 * done, say))
            self._networks = BlazePose(folder)
        request = parse_pose(params, arrays)
        made = pose_estimation(
            self._engine.model, request, self._networks, job.progress, job.is_cancelled
        )
        values = {
            "fps": float(made.motion.fps),
            "score": float(made.landmarks.score),
            "error_pixels": made.error_pixels,
            "codes": [int(code) for code in made.codes],
            "seed": made.seed,
            "alpha": made.alpha,
        }
        seen = {
            "camera": made.camera,
            "root_camera": made.root_camera,
            "joints_image": made.joints_image,
            "landmarks_image": made.landmarks.image,
            "landmarks_world": made.landmarks.world,
            "visibility": made.landmarks.visibility,
        }
        single = {name: array.astype("float32") for name, array in seen.items()}
        return Output(values, motion_arrays(made.motion) | single)


def parse_pose(params: Params, arrays: Arrays) -> PoseParams:
    """Wire parameters to a request; InvalidInput names the field that is wrong."""
    request = _convert(params, _PoseRequest)
    if request.image and "image" in arrays:
        raise InvalidInput("Two pictures came, a path and pixels: send one of them.")
    return PoseParams(
        image=arrays.get("image", request.image),
        box=None if request.box is None else tuple(request.box),
        refine=request.refine,
        seed=request.seed,
        temperature=request.temperature,
        top_p=request.top_p,
        samples=request.samples,
    )


class People:
    """Who is in a picture, the largest person first.

    params: image, a path on this computer, or the array `image` as for a pose. Result: boxes
    (K, 4) pixels, scores (K,), picture (N,) the bytes of a JPEG of the upright picture, size
    (width, height) that the boxes are in.
    """

    def __init__(self) -> None:
        self._networks: Any = None

    def check(self, params: Params, arrays: Arrays) -> None:
        validate_pose(parse_pose(params, arrays))

    def run(self, params: Params, arrays: Arrays, job: JobContext) -> Output:
        import numpy as np

        from backend import assets
        from backend.tasks.person_boxes import person_boxes
        from backend.vision.blazepose import BlazePose

        if self._networks is None:
            folder = assets.ensure("blazepose", lambda done, say: job.progress(0.5 * done, say))
            self._networks = BlazePose(folder)
        job.progress(0.5, "Looking for people")
        found = person_boxes(parse_pose(params, arrays).image, self._networks)
        seen = {
            "boxes": found.boxes.astype("float32"),
            "scores": found.scores.astype("float32"),
            "picture": np.frombuffer(found.jpeg, dtype=np.uint8),
        }
        return Output({"size": [int(side) for side in found.size]}, seen)


# --- chat -------------------------------------------------------------------------------------


class Chat:
    """The answer to the last turn of a conversation: text, or a motion and a sentence about it.

    params: the fields of ChatParams; messages are objects with role, content and, where an answer
    made a motion, motion (prompt, seconds). Chunks carry text, or motion as for TextToMotion.
    Result: text, message (append it to the next request's messages), alpha, tokens, complete,
    dropped_turns; for a motion also poses (T, 22, 3), trans (T, 3), fps, prompt and seed.
    """

    def __init__(self, engine: HmvlmEngine) -> None:
        self._engine = engine

    def check(self, params: Params, arrays: Arrays) -> None:
        validate_chat(_convert(params, ChatParams))

    def run(self, params: Params, arrays: Arrays, job: JobContext) -> Output:
        from backend.tasks.chat import chat

        said = chat(
            self._engine.model,
            _convert(params, ChatParams),
            job.progress,
            lambda text: job.chunk(text=text),
            _motion_chunks(job),
            job.is_cancelled,
        )
        values: dict[str, Any] = {
            "text": said.text,
            "message": msgspec.to_builtins(said.message),
            "alpha": said.alpha,
            "tokens": said.tokens,
            "complete": said.complete,
            "dropped_turns": said.dropped_turns,
        }
        if said.motion is None or said.message.motion is None:
            return Output(values)
        values["fps"] = float(said.motion.motion.fps)
        values["prompt"] = said.message.motion.prompt
        values["seed"] = int(said.motion.seed)
        return Output(values, motion_arrays(said.motion.motion))


# --- gate -------------------------------------------------------------------------------------


class _GateRequest(msgspec.Struct, frozen=True):
    prompts: list[str]


class Gate:
    """How the experts share a prompt. params: prompts; result: alpha, E numbers for each."""

    def __init__(self, engine: HmvlmEngine) -> None:
        self._engine = engine

    def check(self, params: Params, arrays: Arrays) -> None:
        prompts = _convert(params, _GateRequest).prompts
        if not 1 <= len(prompts) <= MAX_GATE_PROMPTS:
            raise InvalidInput(
                f"{len(prompts)} prompts came: send between 1 and {MAX_GATE_PROMPTS} at a time."
            )
        for number, prompt in enumerate(prompts, 1):
            if not prompt.strip():
                raise InvalidInput(f"Prompt {number} is empty: write a sentence or drop it.")
            if len(prompt) > MAX_GATE_PROMPT_CHARS:
                raise InvalidInput(
                    f"Prompt {number} has {len(prompt)} characters: at most "
                    f"{MAX_GATE_PROMPT_CHARS} are taken."
                )

    def run(self, params: Params, arrays: Arrays, job: JobContext) -> Output:
        alphas = self._engine.model.gate(_convert(params, _GateRequest).prompts)
        return Output({"alpha": [[float(a) for a in row] for row in alphas]})
