# SPDX-License-Identifier: Apache-2.0
"""The queue: first in, first out, one job at a time, one terminal event a job.

Pure logic. Every method takes what happened and returns what is to be done about it, as a list of
effects, so that it is tested without sockets, processes or clocks.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from blender_addon.shared import protocol

Buffers = Sequence[bytes]


@dataclass(frozen=True)
class Send:
    """Send an event to a client (its ROUTER identity)."""

    listener: bytes
    event: Any
    buffers: Buffers = ()


@dataclass(frozen=True)
class StartJob:
    """Hand this job to the worker."""

    submit: protocol.Submit
    buffers: Buffers


@dataclass(frozen=True)
class StopJob:
    """Ask the worker to stop this job at its next step."""

    job_id: str


@dataclass(frozen=True)
class KillWorker:
    """The worker did not stop in time: kill it; `worker_lost` must follow."""

    reason: str


Effect = Send | StartJob | StopJob | KillWorker


class JobPhase(Enum):
    """A job only ever moves down this list; CANCELLING is a running job asked to stop."""

    QUEUED = auto()
    RUNNING = auto()
    CANCELLING = auto()
    ENDED = auto()


@dataclass
class _Job:
    submit: protocol.Submit
    buffers: Buffers
    listeners: list[bytes]
    phase: JobPhase = JobPhase.QUEUED
    progress: protocol.Progress | None = None
    kill_at: float | None = None
    terminal: tuple[Any, Buffers] | None = None


@dataclass(frozen=True)
class SchedulerLimits:
    """cancel_grace_s: what a running job gets to stop by itself before its worker is killed.

    kept_results: ended jobs whose result is still there for a client that comes back.
    """

    cancel_grace_s: float = 5.0
    max_queued: int = 64
    kept_results: int = 32


@dataclass
class Scheduler:
    """Knows every job and whether the worker is free."""

    limits: SchedulerLimits = field(default_factory=SchedulerLimits)
    _jobs: OrderedDict[str, _Job] = field(default_factory=OrderedDict)
    _queue: list[str] = field(default_factory=list)
    _running: str | None = None
    _worker_free: bool = False
    _worker_dying: bool = False

    @property
    def running(self) -> str | None:
        """The id of the job the worker has."""
        return self._running

    @property
    def queued(self) -> list[str]:
        """The ids that wait, next first."""
        return list(self._queue)

    def knows(self, job_id: str) -> bool:
        """Whether a submit of this id would attach to a job that exists."""
        return job_id in self._jobs

    def is_open(self, job_id: str) -> bool:
        """Whether this job waits or runs."""
        job = self._jobs.get(job_id)
        return job is not None and job.terminal is None

    # --- from clients -------------------------------------------------------------------------

    def submit(self, submit: protocol.Submit, buffers: Buffers, listener: bytes) -> list[Effect]:
        """A new job, or a client that comes back to one it submitted before."""
        job = self._jobs.get(submit.job_id)
        if job is not None:
            return self._attach(job, listener)
        if len(self._queue) >= self.limits.max_queued:
            message = f"{len(self._queue)} jobs are waiting already: try again when some are done."
            busy = protocol.Error(protocol.Code.BUSY, message, True, submit.job_id)
            return [Send(listener, busy)]
        job = _Job(submit, buffers, [listener])
        self._jobs[submit.job_id] = job
        self._queue.append(submit.job_id)
        return [Send(listener, self._accepted(submit.job_id)), *self._start_next()]

    def cancel(self, job_id: str, listener: bytes, now: float) -> list[Effect]:
        """Stop a job by id. Cancelling twice, or after the end, is no error."""
        job = self._jobs.get(job_id)
        if job is None:
            message = "There is no such job: it was never submitted, or ended long ago."
            return [
                Send(listener, protocol.Error(protocol.Code.UNKNOWN_JOB, message, False, job_id))
            ]
        if listener not in job.listeners:
            job.listeners.append(listener)
        if job.terminal is not None:
            return [Send(listener, *job.terminal)]
        if job.phase is JobPhase.QUEUED:
            return self._end(job, protocol.Cancelled(job_id), ())
        if job.phase is JobPhase.RUNNING:
            job.phase, job.kill_at = JobPhase.CANCELLING, now + self.limits.cancel_grace_s
            return [StopJob(job_id)]
        return []

    def drop_listener(self, listener: bytes) -> None:
        """A client is gone; its jobs run on and keep their results for its return."""
        for job in self._jobs.values():
            if listener in job.listeners:
                job.listeners.remove(listener)

    # --- from the worker ----------------------------------------------------------------------

    def worker_ready(self) -> list[Effect]:
        """A fresh worker can take a job."""
        self._worker_free, self._worker_dying = True, False
        return self._start_next()

    def worker_dying(self) -> None:
        """The worker is on its way out: its last words still count, but it gets no more jobs."""
        self._worker_dying = True

    def worker_event(self, event: Any, buffers: Buffers) -> list[Effect]:
        """Pass on what the worker says about the job it has; anything else is stale."""
        job = self._jobs.get(event.job_id)
        if job is None or event.job_id != self._running:
            return []
        if isinstance(event, protocol.TERMINAL):
            self._running, self._worker_free = None, not self._worker_dying
            return self._end(job, event, buffers) + self._start_next()
        if isinstance(event, protocol.Progress):
            job.progress = event
        return [Send(listener, event, buffers) for listener in job.listeners]

    def worker_lost(self, reason: str) -> list[Effect]:
        """The worker process is gone; the job it had ends, the queue waits for the next one."""
        self._worker_free = False
        if self._running is None:
            return []
        job, self._running = self._jobs[self._running], None
        if job.phase is JobPhase.CANCELLING:
            return self._end(job, protocol.Cancelled(job.submit.job_id), ())
        return self._end(job, self._died(job, reason), ())

    def worker_unavailable(self, reason: str) -> list[Effect]:
        """No worker can be started: what waits ends too."""
        effects = self.worker_lost(reason)
        for job_id in list(self._queue):
            job = self._jobs[job_id]
            effects += self._end(job, self._died(job, reason), ())
        return effects

    # --- time and the end ---------------------------------------------------------------------

    def tick(self, now: float) -> list[Effect]:
        """Kill the worker when a cancelled job outlived its grace."""
        job = self._jobs.get(self._running or "")
        if job is None or job.kill_at is None or now < job.kill_at:
            return []
        job.kill_at, self._worker_dying = None, True
        return [KillWorker(f"job {job.submit.job_id} did not stop when it was cancelled")]

    def stop(self) -> list[Effect]:
        """The server stops: every job that is open ends."""
        self._worker_free, self._running = False, None
        message = "The backend was stopped before the job was done: start it and try again."
        effects: list[Effect] = []
        for job_id, job in list(self._jobs.items()):
            if job.terminal is None:
                error = protocol.Error(protocol.Code.SERVER_STOPPING, message, True, job_id)
                effects += self._end(job, error, ())
        return effects

    # --- inside -------------------------------------------------------------------------------

    def _attach(self, job: _Job, listener: bytes) -> list[Effect]:
        if listener not in job.listeners:
            job.listeners.append(listener)
        effects: list[Effect] = [Send(listener, self._accepted(job.submit.job_id))]
        if job.terminal is not None:
            effects.append(Send(listener, *job.terminal))
        elif job.progress is not None:
            effects.append(Send(listener, job.progress))
        return effects

    def _accepted(self, job_id: str) -> protocol.Accepted:
        if job_id not in self._queue:
            return protocol.Accepted(job_id)
        ahead = self._queue.index(job_id) + (self._running is not None)
        return protocol.Accepted(job_id, ahead)

    def _start_next(self) -> list[Effect]:
        if not self._worker_free or not self._queue:
            return []
        job = self._jobs[self._queue.pop(0)]
        self._worker_free, self._running = False, job.submit.job_id
        job.phase = JobPhase.RUNNING
        return [StartJob(job.submit, job.buffers)]

    def _end(self, job: _Job, event: Any, buffers: Buffers) -> list[Effect]:
        job_id = job.submit.job_id
        if job_id in self._queue:
            self._queue.remove(job_id)
        job.phase, job.terminal, job.buffers, job.kill_at = (
            JobPhase.ENDED,
            (event, buffers),
            (),
            None,
        )
        self._jobs.move_to_end(job_id)
        ended = [name for name, other in self._jobs.items() if other.terminal is not None]
        for name in ended[: max(0, len(ended) - self.limits.kept_results)]:
            del self._jobs[name]
        return [Send(listener, event, buffers) for listener in job.listeners]

    @staticmethod
    def _died(job: _Job, reason: str) -> protocol.Error:
        return protocol.Error(protocol.Code.WORKER_DIED, reason, True, job.submit.job_id)
