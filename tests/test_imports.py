# SPDX-License-Identifier: Apache-2.0
"""Who may import whom: the packages' borders, held by reading every import there is."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OWN = ("blender_addon", "backend", "training")


@dataclass(frozen=True)
class Rule:
    """For the modules under `prefix`; of several rules the longest prefix counts.

    own: the packages of ours that may be imported. outside: other people's packages that may be;
    None allows any but those in `never`.
    """

    prefix: str
    own: tuple[str, ...]
    outside: tuple[str, ...] | None = None
    never: tuple[str, ...] = ()
    relative_only: bool = False


SHARED = "blender_addon.shared"
CLIENT = ("blender_addon.shared", "blender_addon.core")
BLENDER = ("bpy", "bpy_extras", "mathutils", "gpu", "gpu_extras", "blf", "bl_ui")
NO_TORCH = ("torch", "transformers", "bpy")
SERVER = Rule("backend.server", ("backend", SHARED), ("zmq", "msgspec", "numpy"), NO_TORCH)

RULES = (
    Rule(SHARED, (SHARED,), ("numpy", "msgspec")),
    Rule("blender_addon.core", CLIENT, ("zmq", "numpy", "msgspec"), ("threading",), True),
    Rule("blender_addon", ("blender_addon",), (*BLENDER, "numpy", "msgspec"), ("torch",), True),
    SERVER,
    Rule("backend.scheduler", SERVER.own, (), NO_TORCH),
    Rule("backend.engine", SERVER.own, SERVER.outside, NO_TORCH),
    Rule("backend.zap", SERVER.own, SERVER.outside, NO_TORCH),
    Rule("backend.worker_link", SERVER.own, SERVER.outside, NO_TORCH),
    Rule("backend.worker_messages", SERVER.own, SERVER.outside, NO_TORCH),
    Rule(
        "backend.network_keys", SERVER.own, ("zmq", "msgspec", "platformdirs", "psutil"), NO_TORCH
    ),
    Rule("backend.processes", SERVER.own, ("psutil",), NO_TORCH),
    Rule("backend.tasks.requests", SERVER.own, ("numpy", "msgspec"), NO_TORCH),
    Rule("backend.tasks.follow_ups", SERVER.own, (), NO_TORCH),
    # these are clients of the server, as Blender is
    Rule("backend.session", ("backend", *CLIENT), None, NO_TORCH),
    Rule("backend.client_cli", ("backend", *CLIENT), None, NO_TORCH),
    Rule("backend.chat_cli", ("backend", *CLIENT), None, NO_TORCH),
    Rule("backend.pose_cli", ("backend", *CLIENT), None, NO_TORCH),
    Rule("backend.track_cli", ("backend", *CLIENT), None, NO_TORCH),
    Rule("backend.describe_cli", ("backend", *CLIENT), None, NO_TORCH),
    Rule("backend.doctor", ("backend", *CLIENT), None, NO_TORCH),
    # starts real Blender; what runs inside it is a program of its own
    Rule("backend.demo", ("backend", "blender_addon"), None, ("torch",)),
    Rule("backend", ("backend", SHARED), None, ("bpy",)),
    # a program of its own that runs in Blender
    Rule("training.figure.scene", ("training.figure",), (*BLENDER, "numpy")),
    Rule(
        "training",
        (
            "training",
            "backend.model",
            "backend.motion",
            "backend.vision",
            "backend.assets",
            "backend.tasks",
            "backend.errors",
            SHARED,
        ),
        None,
        ("bpy",),
    ),
)


def _within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def _rule_for(module: str) -> Rule:
    # "backend.demo" is also for backend.demo_scene and the like
    fitting = [r for r in RULES if module.startswith(r.prefix)]
    return max(fitting, key=lambda rule: len(rule.prefix))


def _modules() -> Iterator[tuple[str, Path]]:
    for package in OWN:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def _imports(module: str, path: Path) -> Iterator[tuple[str, bool]]:
    """Every imported name, absolute, and whether the import was written relative."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, False) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")
                parents = parents[: len(parents) - node.level + 1]
                base = ".".join([*parents, *([base] if base else [])])
            # `from package import module` imports the module
            for alias in node.names:
                name = f"{base}.{alias.name}"
                yield (name if _is_module(name) else base), node.level > 0


def _is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").exists()


def violations(module: str, path: Path) -> list[str]:
    rule, found = _rule_for(module), []
    for name, relative in _imports(module, path):
        top = name.split(".")[0]
        if any(_within(name, bad) for bad in rule.never):
            found.append(f"{module} imports {name}: never")
        elif top in OWN:
            if not any(_within(name, allowed) for allowed in rule.own) and name not in OWN:
                found.append(f"{module} imports {name}: not from {rule.prefix}")
            elif rule.relative_only and not relative:
                found.append(f"{module} imports {name} by its full name: use a relative import")
        elif (
            top not in sys.stdlib_module_names
            and rule.outside is not None
            and top not in rule.outside
        ):
            found.append(f"{module} imports {name}: not a dependency of {rule.prefix}")
    return found


@pytest.mark.parametrize(("module", "path"), [pytest.param(m, p, id=m) for m, p in _modules()])
def test_borders(module: str, path: Path):
    assert violations(module, path) == []


def test_the_check_itself_finds_what_it_should(tmp_path: Path):
    path = tmp_path / "module.py"
    path.write_text("def f():\n    import threading\n    from blender_addon.bridge import action\n")
    assert len(violations("blender_addon.core.module", path)) == 2
    path.write_text("import torch\nfrom blender_addon.core import client\nimport zmq\n")
    assert len(violations("backend.server", path)) == 2
    path.write_text("from ..shared import codec\nfrom .jobs import Job\nimport zmq\n")
    assert violations("blender_addon.core.module", path) == []
    path.write_text("from backend.server import Server\n")
    assert len(violations("training.loops", path)) == 1


def _modules_after(program: str) -> set[str]:
    """The modules that are loaded once the program has run."""
    program += "\nimport sys; print(' '.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_the_server_process_never_loads_torch():
    program = """
import backend.server
from backend.engine import DEFAULT_ENGINE, EngineOptions, create_engine
create_engine(DEFAULT_ENGINE, EngineOptions())
"""
    assert not {"torch", "transformers", "bpy"} & _modules_after(program)


def test_finding_people_in_pictures_needs_no_torch():
    program = """
import backend.vision.landmarks, backend.vision.overlay, backend.vision.tracking
import PIL.Image, ai_edge_litert.interpreter
"""
    assert not {"torch", "transformers", "bpy"} & _modules_after(program)


def test_help_is_instant():
    heavy = {"torch", "transformers", "bpy", "numpy", "zmq", "msgspec"}
    assert not heavy & _modules_after("from backend.cli import build_parser; build_parser('')")


def test_shared_code_needs_no_blender():
    program = "import blender_addon.core.client, blender_addon.core.launcher"
    assert not {"bpy", "torch"} & _modules_after(program)
