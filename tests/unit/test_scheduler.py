# SPDX-License-Identifier: Apache-2.0
"""The queue without sockets: examples of each rule, then every rule under random histories."""

from collections import Counter
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from backend.scheduler import KillWorker, Scheduler, SchedulerLimits, Send, StartJob, StopJob
from blender_addon.shared import protocol

ME, OTHER = b"me", b"other"


def submit(scheduler: Scheduler, job_id: str, listener: bytes = ME):
    return scheduler.submit(protocol.Submit(job_id, "task"), (), listener)


def events(effects, kind: Any = object) -> list[Any]:
    return [e.event for e in effects if isinstance(e, Send) and isinstance(e.event, kind)]


def started(effects):
    return [e.submit.job_id for e in effects if isinstance(e, StartJob)]


def running(*job_ids: str) -> Scheduler:
    scheduler = Scheduler()
    scheduler.worker_ready()
    for job_id in job_ids:
        submit(scheduler, job_id)
    return scheduler


def test_jobs_wait_for_the_worker_and_run_in_order():
    scheduler = Scheduler()
    assert events(submit(scheduler, "a")) == [protocol.Accepted("a", 0)]
    assert events(submit(scheduler, "b")) == [protocol.Accepted("b", 1)]
    assert started(scheduler.worker_ready()) == ["a"]
    assert events(submit(scheduler, "c")) == [protocol.Accepted("c", 2)]
    effects = scheduler.worker_event(protocol.Result("a"), ())
    assert events(effects) == [protocol.Result("a")]
    assert started(effects) == ["b"]


def test_the_same_id_attaches():
    scheduler = running("a")
    scheduler.worker_event(protocol.Progress("a", 0.5, "half"), ())
    effects = submit(scheduler, "a", OTHER)
    assert started(effects) == []
    assert events(effects) == [protocol.Accepted("a"), protocol.Progress("a", 0.5, "half")]
    ended = scheduler.worker_event(protocol.Result("a"), (b"x",))
    assert {e.listener for e in ended if isinstance(e, Send)} == {ME, OTHER}
    again = submit(scheduler, "a", OTHER)
    assert again[-1] == Send(OTHER, protocol.Result("a"), (b"x",))


def test_cancel_while_queued_and_while_running():
    scheduler = running("a", "b")
    assert events(scheduler.cancel("b", ME, 0)) == [protocol.Cancelled("b")]
    assert scheduler.cancel("a", ME, 0) == [StopJob("a")]
    assert scheduler.cancel("a", ME, 1) == []
    assert events(scheduler.worker_event(protocol.Cancelled("a"), ())) == [protocol.Cancelled("a")]
    assert events(scheduler.cancel("a", ME, 2)) == [protocol.Cancelled("a")]


def test_cancel_of_an_unknown_job():
    (event,) = events(Scheduler().cancel("x", ME, 0))
    assert event.code == protocol.Code.UNKNOWN_JOB


def test_a_job_that_does_not_stop_costs_its_worker_once():
    scheduler = Scheduler(SchedulerLimits(cancel_grace_s=5))
    scheduler.worker_ready()
    submit(scheduler, "a")
    submit(scheduler, "b")
    scheduler.cancel("a", ME, 10.0)
    assert scheduler.tick(14.9) == []
    assert isinstance(scheduler.tick(15.1)[0], KillWorker)
    assert scheduler.tick(15.2) == []
    assert events(scheduler.worker_lost("killed")) == [protocol.Cancelled("a")]
    assert started(scheduler.worker_ready()) == ["b"]


def test_a_lost_worker_ends_its_job_only():
    scheduler = running("a", "b")
    (error,) = events(scheduler.worker_lost("it crashed"))
    assert (error.job_id, error.code, error.retryable) == ("a", protocol.Code.WORKER_DIED, True)
    assert started(scheduler.worker_ready()) == ["b"]


def test_a_dying_worker_may_finish_but_gets_nothing_new():
    scheduler = running("a", "b")
    scheduler.worker_dying()
    effects = scheduler.worker_event(protocol.Result("a"), ())
    assert events(effects) == [protocol.Result("a")]
    assert started(effects) == []
    assert scheduler.worker_lost("crash") == []
    assert started(scheduler.worker_ready()) == ["b"]


def test_no_worker_at_all_ends_everything():
    scheduler = running("a", "b", "c")
    assert [e.job_id for e in events(scheduler.worker_unavailable("no"))] == ["a", "b", "c"]
    assert scheduler.queued == []


def test_stale_words_of_a_worker_are_dropped():
    scheduler = running("a")
    scheduler.worker_lost("crash")
    assert scheduler.worker_event(protocol.Result("a"), ()) == []
    assert scheduler.worker_event(protocol.Result("never"), ()) == []


def test_a_full_queue_is_busy_not_longer():
    scheduler = Scheduler(SchedulerLimits(max_queued=2))
    for job_id in "ab":
        submit(scheduler, job_id)
    (error,) = events(submit(scheduler, "c"))
    assert (error.code, error.retryable, error.job_id) == (protocol.Code.BUSY, True, "c")
    assert not scheduler.knows("c")


def test_only_the_latest_results_are_kept():
    scheduler = Scheduler(SchedulerLimits(kept_results=2))
    scheduler.worker_ready()
    for job_id in "abc":
        submit(scheduler, job_id)
        scheduler.worker_event(protocol.Result(job_id), ())
    assert [scheduler.knows(i) for i in "abc"] == [False, True, True]


def test_stopping_ends_every_open_job():
    scheduler = running("a", "b")
    assert [e.code for e in events(scheduler.stop())] == [protocol.Code.SERVER_STOPPING] * 2
    assert scheduler.stop() == []


def test_a_client_that_left_is_not_written_to():
    scheduler = running("a")
    scheduler.drop_listener(ME)
    assert scheduler.worker_event(protocol.Result("a"), ()) == []
    assert events(submit(scheduler, "a", OTHER))[-1] == protocol.Result("a")


job_ids = st.sampled_from([f"job{n}" for n in range(6)])


class AnyHistory(RuleBasedStateMachine):
    """Whatever happens in whatever order: one terminal event a job, one job at a time, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.scheduler = Scheduler(SchedulerLimits(1.0, max_queued=4, kept_results=100))
        self.now = 0.0
        self.order: list[str] = []
        self.given: list[str] = []
        self.terminals: Counter[str] = Counter()
        self.on_worker: str | None = None
        self.worker_up = False
        self.killed = False  # the worker is to die, and may still finish before it does

    def _take(self, effects, replies_to: bytes | None = None) -> None:
        for effect in effects:
            if isinstance(effect, StartJob):
                assert self.worker_up
                assert not self.killed
                assert self.on_worker is None
                self.on_worker = effect.submit.job_id
                self.given.append(effect.submit.job_id)
            elif isinstance(effect, KillWorker):
                self.killed = True
            elif isinstance(effect, Send) and isinstance(effect.event, protocol.TERMINAL):
                self.terminals[effect.event.job_id] += 1

    @rule(job_id=job_ids)
    def submit(self, job_id: str) -> None:
        if self.scheduler.knows(job_id):
            return  # attaching repeats the terminal event to who asks; tested above
        effects = submit(self.scheduler, job_id)
        if any(e.code == protocol.Code.BUSY for e in events(effects, protocol.Error)):
            return
        self.order.append(job_id)
        self._take(effects)

    @rule(job_id=job_ids)
    def cancel(self, job_id: str) -> None:
        if self.scheduler.knows(job_id) and not self.terminals[job_id]:
            self._take(self.scheduler.cancel(job_id, ME, self.now))

    @rule()
    def worker_comes_up(self) -> None:
        if not self.worker_up:
            self.worker_up, self.killed = True, False
            self._take(self.scheduler.worker_ready())

    @rule()
    def worker_dies(self) -> None:
        if self.worker_up:
            self.worker_up, self.on_worker = False, None
            self._take(self.scheduler.worker_lost("crash"))

    @rule(kind=st.sampled_from([protocol.Result, protocol.Cancelled]))
    def worker_finishes(self, kind) -> None:
        if self.on_worker is not None:
            job_id, self.on_worker = self.on_worker, None
            self._take(self.scheduler.worker_event(kind(job_id), ()))

    @rule(seconds=st.floats(0, 2))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self._take(self.scheduler.tick(self.now))

    @invariant()
    def one_terminal_event_a_job(self) -> None:
        assert all(count == 1 for count in self.terminals.values())

    @invariant()
    def nothing_is_lost(self) -> None:
        open_jobs = {j for j in self.order if not self.terminals[j]}
        assert open_jobs == set(self.scheduler.queued) | ({self.on_worker} - {None})

    @invariant()
    def first_in_first_out(self) -> None:
        assert self.given == [j for j in self.order if j in self.given]

    @invariant()
    def a_free_worker_is_never_idle_while_jobs_wait(self) -> None:
        if self.worker_up and not self.killed and self.on_worker is None:
            assert not self.scheduler.queued


TestAnyHistory = AnyHistory.TestCase
TestAnyHistory.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
