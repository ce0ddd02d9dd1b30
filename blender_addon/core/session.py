# SPDX-License-Identifier: GPL-3.0-or-later
"""One Blender's dealings with the backend: start it, send a request, collect what it answers.

Everything here is driven by `pump`, which never waits, and everything is plain data: panels read
it, operators call it, a timer pumps it. No bpy here.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING

from ..shared import protocol
from ..shared.connection import ConnectionFileError
from ..shared.motion import Motion, MotionError
from .client import HANDSHAKE_S, Client, ClientError, ClientState
from .jobs import Job, JobState
from .launcher import Launcher, LaunchState
from .locate import BackendNotFoundError
from .requests import Answered, Arrived, Ask, Request

if TYPE_CHECKING:
    from .order import Order

ATTACH_LIMIT_S = 2.0  # a server that runs answers at once; past this the file is a stale one
NETWORK_LIMIT_S = HANDSHAKE_S + 2.0  # the client gives up before, with a reason
CLOSE_LIMIT_S = 3.0
CANCEL_LIMIT_S = 0.25  # what a cancelled job gets to end; past this nobody waits for it
REPORT_EVERY_S = 5.0


class BackendState(StrEnum):
    """STOPPED with a `problem` when something went wrong."""

    STOPPED = "stopped"
    STARTING = "starting"
    READY = "ready"
    BUSY = "busy"
    STOPPING = "stopping"


class Session:
    """The state that panels show and the verbs that operators call.

    make_client and make_launcher are called on every start, so that settings may have changed.
    """

    def __init__(
        self,
        make_client: Callable[[], Client],
        make_launcher: Callable[[], Launcher],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.problem = ""  # the last thing that went wrong, for the panel
        self.note = ""  # the last thing that went right
        self.kept: Arrived | None = None  # a motion whose target was gone, or that was refused
        self.task = ""  # of the last job that was asked for
        self.latest: dict[str, Answered] = {}  # the last answer to each task but motions
        self._make_client = make_client
        self._client = make_client()
        self._make_launcher = make_launcher
        self._launcher: Launcher | None = None
        self._clock = clock
        self._attach_until: float | None = None  # while it is open whether a backend runs
        self._not_attached = ""
        self._request: Ask | None = None
        self._queue: list[Request] = []  # what comes after it
        self.parts: list[Motion] = []  # of the clip under way, what its earlier prompts made
        self._total = 0  # jobs asked for at once
        self._job_id = ""
        self._let_go_at: float | None = None  # of a job that was cancelled
        self._report_at = 0.0

    # --- what panels read ---------------------------------------------------------------------

    @property
    def state(self) -> BackendState:
        launch = self._launcher.state if self._launcher is not None else LaunchState.STOPPED
        if launch is LaunchState.STOPPING:
            return BackendState.STOPPING
        if self._client.state is ClientState.READY:
            return BackendState.BUSY if self._request is not None else BackendState.READY
        if self._client.state is ClientState.CONNECTING or launch is LaunchState.STARTING:
            return BackendState.STARTING
        return BackendState.STOPPED

    @property
    def request(self) -> Ask | None:
        """The request under way."""
        return self._request

    @property
    def job(self) -> Job | None:
        return self._client.jobs.get(self._job_id)

    @property
    def owns_backend(self) -> bool:
        """Whether the backend was started here, and so stops from here."""
        return self._launcher is not None and self._launcher.pid is not None

    @property
    def active(self) -> bool:
        """Whether there is anything to pump."""
        return self.state is not BackendState.STOPPED or self._request is not None

    @property
    def model(self) -> str:
        """Who makes the motions, as the backend calls itself."""
        welcome = self._client.welcome
        return f"HMVLM {welcome.package}" if welcome is not None else ""

    @property
    def number(self) -> tuple[int, int]:
        """(which, of how many): of the jobs that were asked for at once, the one under way."""
        return self._total - len(self._queue), self._total

    @property
    def report(self) -> protocol.StatusReport | None:
        """What the connected backend last said about its device, model and memory."""
        return self._client.report if self._client.state is ClientState.READY else None

    @property
    def fraction(self) -> float:
        """How much is done, of all that was asked for at once."""
        number, total = self.number
        done = self.job.fraction if self.job is not None else 0.0
        return (number - 1 + done) / total if total > 1 else done

    @property
    def status(self) -> str:
        """One line on where things stand."""
        if self._request is None:
            return self.state.value.capitalize()
        job = self.job
        if job is None:
            return "Starting the backend"
        if job.cancel_requested:
            return "Cancelling"
        if job.state is JobState.QUEUED and job.position > 0:
            return f"Waiting for {job.position} other job{'s' if job.position > 1 else ''}"
        return job.message or "Waiting for the model"

    # --- verbs --------------------------------------------------------------------------------

    def start(self) -> None:
        """Use the backend that runs, or start one; `pump` sees it through."""
        if self.state is not BackendState.STOPPED:
            return
        self.problem = self.note = ""
        self._report_at = 0.0
        self._client = self._make_client()
        far = self._client.on_network
        try:
            self._client.connect()
            self._attach_until = self._clock() + (NETWORK_LIMIT_S if far else ATTACH_LIMIT_S)
        except ConnectionFileError as error:  # none runs, or its file is of no use
            known = far or self._client.connection_file.exists()
            self._launch(str(error) if known else "")

    def stop(self) -> None:
        """Stop the backend that was started here; of another one only let go."""
        self._attach_until = None
        self._drop_request("The backend was stopped.")
        self._client.close()
        if self._launcher is not None:
            self._launcher.stop()

    def generate(self, request: Request, *more: Request) -> None:
        """Ask for motions, one after another; starts the backend first when none is connected."""
        if not all(each.prompt.strip() for each in (request, *more)):
            raise ClientError("Write what the person does first.")
        self.ask(request)
        if self._request is not None:
            self._queue, self._total = list(more), 1 + len(more)

    def ask(self, request: Ask) -> None:
        """Begin a job of any task; starts the backend first when none is connected."""
        if self._request is not None:
            raise ClientError("The backend is at work already: wait for it, or cancel it.")
        self.problem = self.note = ""
        self._queue, self._total = [], 1
        if self.state is BackendState.STOPPED:
            self.start()
            if self.problem:
                return
        self._request, self.task = request, request.task
        if self.state is BackendState.BUSY:
            self._submit()

    def cancel(self) -> None:
        """Stop the request under way; within CANCEL_LIMIT_S it is over, whatever the backend does.

        The backend goes on ending the job by itself, and what is asked for next waits for that.
        """
        if self._request is None:
            return
        self._total -= len(self._queue)
        self._queue.clear()
        if self.job is None:
            self._drop_request("")
            self.note = "Cancelled."
        elif not self.job.cancel_requested:
            self._client.cancel(self._job_id)
            self._let_go_at = self._clock() + CANCEL_LIMIT_S

    def forget_target(self) -> None:
        """The scene went away: what is under way will be kept, not keyed onto a namesake."""
        if self._request is not None:
            self._request = replace(self._request, target=None)  # type: ignore[type-var]
        self._queue = [replace(request, target=None) for request in self._queue]

    def keep(self, arrived: Arrived, reason: str) -> None:
        """Hold on to a motion that could not be keyed, so that it can be applied elsewhere."""
        before = self.kept.request.order if self.kept is not None else None
        order = arrived.request.order
        if before is not None and order is not None and before.group == order.group:
            arrived = replace(arrived, earlier=self.kept)
        self.kept, self.problem = arrived, reason

    def close(self) -> None:
        """Let go of everything; a backend that was started here is made to end."""
        self.stop()
        until = self._clock() + CLOSE_LIMIT_S
        while self._launcher is not None and self._launcher.pid is not None:
            self._launcher.poll()
            if self._clock() > until:
                break  # the server watches our process and ends by itself
            time.sleep(0.02)

    # --- the pump -----------------------------------------------------------------------------

    def pump(self, max_ms: float = 5.0) -> list[Arrived | Answered]:
        """Move everything on a little; what arrived meanwhile."""
        self._poll_launcher()
        before = self._client.state
        self._client.pump(max_ms)
        self._see_attaching_through()
        if self._request is not None and not self._job_id:
            if self._client.state is ClientState.READY:
                self._submit()
            elif self.state is BackendState.STOPPED:
                self._drop_request(self.problem or "The backend could not be reached.")
        self._ask_for_report()
        arrived = self._collect()
        if self._let_go_at is not None and self._clock() >= self._let_go_at:
            self._drop_request("")
            self.note = "Cancelled."
        if before is not ClientState.LOST and self._client.state is ClientState.LOST:
            self.problem = self.problem or self._client.problem
        return arrived

    def _ask_for_report(self) -> None:
        if self._client.state is ClientState.READY and self._clock() >= self._report_at:
            self._report_at = self._clock() + REPORT_EVERY_S
            with suppress(ClientError):  # a full line shows itself in what is asked for
                self._client.request_status()

    def _poll_launcher(self) -> None:
        if self._launcher is None:
            return
        before = self._launcher.state
        after = self._launcher.poll()
        if after is LaunchState.FAILED and before is not LaunchState.FAILED:
            # another version's server holds the file: then the first reason is the one that helps
            self.problem = f"{self._not_attached}\n{self._launcher.problem}".strip()
        elif after is LaunchState.READY and before is LaunchState.STARTING:
            try:
                self._client.connect()
            except ConnectionFileError as error:
                self.problem = str(error)
                self._launcher.stop()  # of another release, say: nobody could use it

    def _see_attaching_through(self) -> None:
        if self._attach_until is None:
            return
        state = self._client.state
        if state is ClientState.CONNECTING and self._clock() < self._attach_until:
            return
        self._attach_until = None
        if state is not ClientState.READY:
            reason = self._client.problem
            self._client.close()
            self._launch(reason)

    def _launch(self, not_attached: str) -> None:
        """Start a backend; `not_attached` says why the one that may run was not used."""
        if self.owns_backend and self._launcher is not None:
            self._launcher.stop()
            self.problem = "The backend hung and is being stopped: start it again in a moment."
            return
        try:
            self._launcher = self._make_launcher()
        except BackendNotFoundError as error:
            self.problem = f"{not_attached}\n{error}".strip()
            return
        self._not_attached = not_attached
        self._launcher.start()
        self.problem = self._launcher.problem

    def _submit(self) -> None:
        assert self._request is not None
        try:
            request = self._request
            self._job_id = self._client.submit(
                request.task, request.params(), request.arrays(), files=request.files
            )
        except ClientError as error:
            self._drop_request(str(error))

    def _collect(self) -> list[Arrived | Answered]:
        job, request = self.job, self._request
        if job is None or request is None or not job.finished:
            return []
        queue, total = self._queue, self._total
        self._drop_request("")
        if job.state is JobState.CANCELLED:
            self.note = "Cancelled."
            return []
        arrived: Arrived | Answered | None = None
        if job.state is JobState.FAILED:
            self.problem = job.message or "The backend failed without a word."
            if job.error is not None and job.error.code == protocol.Code.BACKEND_LOST:
                return []
        else:
            try:
                arrived = request.arrived(job)
                if isinstance(arrived, Answered):
                    self.latest[request.task] = arrived
            except MotionError as error:
                self.problem = f"The backend's answer is of no use: {error}."
        self._next(queue, total, request, arrived)
        if isinstance(arrived, Arrived) and arrived.request.order is not None:
            return self._whole(arrived, arrived.request.order)
        return [] if arrived is None else [arrived]

    def _whole(self, arrived: Arrived, order: "Order") -> list[Arrived | Answered]:
        """The clip, once its last part is there."""
        self.parts = [*(self.parts if arrived.request.part > 0 else []), arrived.motion]
        if len(self.parts) < len(order.steps):
            return []
        parts, self.parts = self.parts, []
        return [replace(arrived, motion=order.whole(parts))]

    def _next(
        self, queue: list[Request], total: int, last: Ask, arrived: Arrived | Answered | None
    ) -> None:
        """Begin what waits; what was to go on from a motion that did not come is dropped."""
        if arrived is None and isinstance(last, Request) and last.order is not None:
            queue = [request for request in queue if request.order is not last.order]
        if not queue:
            return
        request, *rest = queue
        if request.part > 0 and isinstance(arrived, Arrived) and request.order is not None:
            request = request.order.going_on(request, arrived.motion)
        self._request, self._queue, self._total = request, rest, total
        if self._client.state is ClientState.READY:
            self._submit()

    def _drop_request(self, problem: str) -> None:
        if self._request is not None and problem:
            self.problem = problem
        self._request = self._let_go_at = None
        self._queue = []
        if self._job_id:
            self._client.forget(self._job_id)
            self._job_id = ""
