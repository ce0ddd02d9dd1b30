# SPDX-License-Identifier: GPL-3.0-or-later
"""Inside the windowed Blender: which buttons are drawn, which operators run, how long it takes.

Blender looks `draw`, `execute` and the like up on the class whenever it calls them, so that they
can be replaced after the add-on was switched on.
"""

import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import bpy

CONTAINERS = ("row", "column", "box", "split", "grid_flow", "column_flow", "menu_pie")
BUTTONS = ("operator", "operator_menu_enum")
HEARTBEAT_S = 0.005
EPSILON_S = 0.001
AFTER = 20  # turns of the event loop after a job that still count as its own


@dataclass(frozen=True)
class Place:
    """A call in a panel's code that draws a button: the module, the line, the operator."""

    module: str
    line: int
    operator: str


@dataclass(frozen=True)
class Beat:
    """One turn of Blender's event loop: seconds since the one before, and of these ours.

    at: by time.monotonic; own: on the clock, with what other programs took meanwhile; computed: on
    the processor alone.
    """

    at: float
    gap: float
    own: float
    computed: float
    busy: bool


@dataclass
class Recorder:
    """What was seen so far. lit: the place, and which of its buttons, that is drawn in red.

    own_s: on the clock and on the processor, since the last turn of the event loop; idle_at: when
    the last job ended, by time.monotonic.
    """

    drawn: set[Place] = field(default_factory=set)
    ran: list[str] = field(default_factory=list)
    lit: tuple[Place, int] | None = None
    _count: Counter = field(default_factory=Counter)
    depth: int = 0
    own_s: tuple[float, float] = (0.0, 0.0)
    slowest: dict[str, float] = field(default_factory=dict)
    beats: list[Beat] = field(default_factory=list)
    idle_at: float = 0.0
    session: Callable[[], Any] = lambda: None
    _last: float = 0.0
    _measuring: bool = False

    # --- buttons ------------------------------------------------------------------------------

    def begin_panel(self) -> None:
        self._count.clear()

    def button(self, place: Place) -> bool:
        """Note a button; whether it is the one to be drawn in red."""
        self.drawn.add(place)
        self._count[place] += 1
        return self.lit == (place, self._count[place] - 1)

    def begun(self, operator: str) -> int:
        """How often it was invoked or executed."""
        return sum(name.partition(".")[0] == operator for name in self.ran)

    # --- time ---------------------------------------------------------------------------------

    def measure(self) -> None:
        """Begin to measure, anew."""
        self.beats.clear()
        self.slowest.clear()
        self._last = time.perf_counter()
        self.own_s = (0.0, 0.0)
        if not self._measuring:
            bpy.app.timers.register(self.beat, persistent=True)
        self._measuring = True

    def beat(self) -> float:
        """Called at every turn of the event loop."""
        now, known = time.perf_counter(), self.session()
        busy = known is not None and known.request is not None
        if self.beats and self.beats[-1].busy and not busy:
            self.idle_at = time.monotonic()
        self.beats.append(Beat(time.monotonic(), now - self._last, *self.own_s, busy))
        self._last, self.own_s = now, (0.0, 0.0)
        return HEARTBEAT_S

    def beats_at_work(self) -> list[tuple[float, float, float]]:
        """(gap, own, computed) of every turn while a job ran, and of the keying after it."""
        return [
            (beat.gap, beat.own, beat.computed)
            for i, beat in enumerate(self.beats)
            if any(near.busy for near in self.beats[max(0, i - AFTER) : i + 1])
        ]

    def held_up(self, begin: float, most: float) -> float:
        """By how much turns were longer than `most` seconds, from a time until the last job ended.

        begin: by time.monotonic, which all programs of a computer share on Linux.
        """
        gaps = [min(beat.gap, beat.at - begin) for beat in self.beats if beat.at > begin]
        ended = sum(begin < beat.at <= self.idle_at + EPSILON_S for beat in self.beats)
        return sum(max(0.0, gap - most) for gap in gaps[:ended])

    def timed(self, name: str, function: Any, *arguments: Any) -> Any:
        """Call it; the time of calls inside of others counts once."""
        self.depth += 1
        begin, begin_computed = time.perf_counter(), time.thread_time()
        try:
            return function(*arguments)
        finally:
            self.depth -= 1
            if self.depth == 0:
                took = time.perf_counter() - begin
                computed = time.thread_time() - begin_computed
                self.own_s = self.own_s[0] + took, self.own_s[1] + computed
                self.slowest[name] = max(took, self.slowest.get(name, 0.0))


class Layout:
    """A UILayout that notes the buttons that are put into it."""

    def __init__(self, layout: Any, recorder: Recorder) -> None:
        object.__setattr__(self, "_layout", layout)
        object.__setattr__(self, "_recorder", recorder)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._layout, name, value)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._layout, name)
        if name in CONTAINERS:
            return lambda *a, **k: Layout(value(*a, **k), self._recorder)
        if name in BUTTONS:
            return lambda operator, *a, **k: self._button(value, operator, a, k)
        return value

    def _button(self, put: Any, operator: str, a: tuple, k: dict) -> Any:
        caller = sys._getframe(2)  # beyond the lambda
        module = caller.f_globals["__name__"].rpartition(".")[2]
        place = Place(module, caller.f_lineno, operator.removeprefix("hmvlm."))
        if not self._recorder.button(place):
            return put(operator, *a, **k)
        before, self._layout.alert = self._layout.alert, True
        try:
            return put(operator, *a, **{name: v for name, v in k.items() if name != "emboss"})
        finally:
            self._layout.alert = before


class Panel:
    """A panel whose layout is noted."""

    def __init__(self, panel: Any, recorder: Recorder) -> None:
        self._panel = panel
        self.layout = Layout(panel.layout, recorder)

    def __getattr__(self, name: str) -> Any:
        value = getattr(type(self._panel), name)
        return value.__get__(self) if callable(value) else value


def attach(package: str) -> Recorder:
    """Watch the add-on that is switched on under this name."""
    recorder = Recorder()

    def ours(kind: Any) -> list[Any]:
        return [cls for cls in kind.__subclasses__() if cls.__module__.startswith(package)]

    for cls in ours(bpy.types.Panel):
        _watch_panel(cls, recorder)
    for cls in ours(bpy.types.UIList):
        _watch_list(cls, recorder)
    for cls in ours(bpy.types.Operator):
        for name in ("invoke", "execute", "modal"):
            if hasattr(cls, name):
                _watch_operator(cls, name, recorder)
    for name in ("runtime", "setup"):
        module = sys.modules[f"{package}.bridge.{name}"]
        _watch_timer(module, f"{name}.tick", recorder)
    overlay = sys.modules[f"{package}.bridge.photo_overlay"]
    overlay.unregister()  # Blender has the function itself
    draw = overlay.draw
    overlay.draw = lambda: recorder.timed("photo_overlay.draw", draw)
    overlay.register()

    recorder.session = sys.modules[f"{package}.bridge.runtime"].peek
    return recorder


def _watch_panel(cls: Any, recorder: Recorder) -> None:
    before = cls.draw

    def draw(self: Any, context: Any) -> None:  # Blender counts the arguments
        recorder.begin_panel()
        recorder.timed(f"{cls.__name__}.draw", before, Panel(self, recorder), context)

    cls.draw = draw


def _watch_list(cls: Any, recorder: Recorder) -> None:
    before = cls.draw_item

    def draw_item(self, context, layout, data, item, icon, active_data, active_property):
        return before(
            self, context, Layout(layout, recorder), data, item, icon, active_data, active_property
        )

    def draw_at(self, context, layout, data, item, icon, active_data, active_property, index=0):
        return before(
            self,
            context,
            Layout(layout, recorder),
            data,
            item,
            icon,
            active_data,
            active_property,
            index,
        )

    cls.draw_item = draw_at if before.__code__.co_argcount == 9 else draw_item


def _watch_operator(cls: Any, name: str, recorder: Recorder) -> None:
    before = getattr(cls, name)
    operator = cls.bl_idname.removeprefix("hmvlm.")

    def run(*arguments: Any) -> set[str]:
        if name != "modal":
            recorder.ran.append(f"{operator}.{name}")
        return recorder.timed(f"{operator}.{name}", before, *arguments)

    def execute(self: Any, context: Any) -> set[str]:  # Blender counts the arguments
        return run(self, context)

    def with_event(self: Any, context: Any, event: Any) -> set[str]:
        return run(self, context, event)

    setattr(cls, name, execute if name == "execute" else with_event)


def _watch_timer(module: Any, name: str, recorder: Recorder) -> None:
    before = module.tick

    def tick() -> float | None:
        return recorder.timed(name, before)

    module.tick = tick
