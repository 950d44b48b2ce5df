"""Who lets time pass: the joined trial in virtual time, the wall clock for everybody else.

Here: the rules of advancing, abandoning and cancelling over one world, on one event loop. What
happens at an instant is `world.py`; who takes part is `trial.py`; HTTP is `app.py`.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from dualollama_pipeline.simulator.asked import Asked
from dualollama_pipeline.simulator.call import Ending, Phase, Request
from dualollama_pipeline.simulator.outlet import Outlet
from dualollama_pipeline.simulator.profile import Profile
from dualollama_pipeline.simulator.trial import Member, NotJoined, Trial
from dualollama_pipeline.simulator.world import World

_NS_PER_S = 1_000_000_000
_LONGEST_WAIT_S = 0.05


@dataclass(frozen=True, slots=True)
class Patience:
    """How long, in wall seconds, the world stands still for an agent.

    `abandon_after_s` is for one that sends nothing; `lost_grace_s` for one whose connection broke
    in the middle of a call: it may retry at the same virtual instant, then the others go on.
    """

    abandon_after_s: float = 30.0
    lost_grace_s: float = 1.0


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom a request comes from, by its headers."""

    trial_id: str
    agent: str
    stage: str


class Conductor:
    """The shared state of the servers' HTTP faces."""

    def __init__(
        self, profile: Profile, patience: Patience | None = None, slots: Sequence[int] = (1, 1)
    ) -> None:
        self.world = World(profile, slots=slots)
        self._patience = patience or Patience()
        self._trial: Trial | None = None
        self._outlets: list[Outlet] = []
        self._n_unjoined = 0
        self._anchor: tuple[int, float] | None = None
        self._pacer: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    # --- the trial

    def join(self, trial_id: str, agents: Sequence[str]) -> int:
        """Begin a trial in virtual time, in place of any other; gives the present instant."""
        self.sync()
        self._drop_trial(f"trial {trial_id!r} was joined in its place")
        self._trial, self._anchor = Trial(trial_id, agents, _wall_s()), None
        self._wake.set()
        self._watch()
        return self.world.now_ns

    def leave(self, trial_id: str, agent: str) -> None:
        """An agent has sent its last request. Leaving twice is no mistake."""
        trial = self._trial
        if trial and trial.trial_id == trial_id and agent in trial.members:
            trial.members[agent].has_left = True
            self._go_on()
            return
        raise self._not_joined(trial_id)

    def check(self, caller: Caller) -> Member:
        """The member behind a joined request; raises NotJoined."""
        if self._trial is None:
            raise self._not_joined(caller.trial_id)
        return self._trial.member(caller.trial_id, caller.agent)

    # --- requests

    def open(self, server: int, asked: Asked, caller: Caller | None) -> Outlet:
        """Receive a request that takes time; raises NotJoined."""
        self.sync()
        if caller:
            self._anchor = None  # an agent that was gone is back, and with it virtual time
        outlet = self._joined(server, asked, caller) if caller else self._unjoined(server, asked)
        self._outlets.append(outlet)
        self._go_on()
        return outlet

    def unload(self, server: int, model: str, caller: Caller | None) -> int:
        """Drop a model at once; gives the instant. Raises NotJoined."""
        self.sync()
        if caller:
            self.check(caller).idle_since_s = _wall_s()
        self.world.unload(server, model)
        return self.world.now_ns

    def lose(self, outlet: Outlet) -> None:
        """The client of a call has gone away before its answer was sent to the end."""
        member = outlet.member
        if outlet in self._outlets:
            self.sync()
            self.world.cancel(outlet.call)
            self._deliver()
        elif member and member.n_open == 0 and member.lost_since_s is None:
            # The call had ended in the world, but its agent will never hear of it.
            member.lost_since_s = _wall_s()
        self._go_on()

    @property
    def n_open(self) -> int:
        """Calls that have been received and have not ended."""
        return len(self._outlets)

    def sync(self) -> int:
        """Bring a world in real time up to the present; a virtual one stays where it is."""
        if self._anchor:
            start_ns, start_s = self._anchor
            self.world.advance_to(start_ns + round((_wall_s() - start_s) * _NS_PER_S))
            self._deliver()
        return self.world.now_ns

    def close(self) -> None:
        """The process ends: no call and no timer may hold it up."""
        self._drop_trial("the simulator is stopping")
        for outlet in self._outlets:
            outlet.fail(503, "the simulator is stopping")
        self._outlets.clear()
        self._anchor = None
        self._wake.set()

    def _joined(self, server: int, asked: Asked, caller: Caller) -> Outlet:
        member = self.check(caller)
        is_first = member.open_request(is_generation=bool(asked.prompt))
        key = (caller.trial_id, caller.agent, caller.stage)
        request = _request(server, asked, key, (is_first, member.order))
        return Outlet(self.world.submit(request), asked, member)

    def _unjoined(self, server: int, asked: Asked) -> Outlet:
        self._n_unjoined += 1
        # Behind every agent of a trial, should one be running at this instant.
        place = (True, 1_000_000 + self._n_unjoined)
        request = _request(server, asked, ("unjoined", str(self._n_unjoined), ""), place)
        return Outlet(self.world.submit(request), asked, None)

    # --- passing time

    @property
    def _is_virtual(self) -> bool:
        return self._trial is not None and not self._trial.is_over

    def _go_on(self) -> None:
        if self._is_virtual:
            self._advance_virtual()
        elif self._outlets:
            self._start_pacing()
        self._watch()

    def _advance_virtual(self) -> None:
        while self._trial and self._trial.may_time_pass:
            joined = [outlet for outlet in self._outlets if outlet.member]
            self.world.advance_until(partial(_has_ended, joined))
            self.world.emit()
            self._deliver()
            if not _has_ended(joined):
                break

    def _deliver(self) -> None:
        is_bulk = self._is_virtual
        for outlet in list(self._outlets):
            outlet.collect(is_bulk=is_bulk)
            if outlet.is_closed:
                self._outlets.remove(outlet)
                if outlet.member:
                    is_lost = outlet.call.ending is Ending.CANCELLED
                    outlet.member.close_request(_wall_s(), is_lost=is_lost)

    def _start_pacing(self) -> None:
        if self._anchor is None:
            self._anchor = (self.world.now_ns, _wall_s())
        self._wake.set()
        if self._pacer is None or self._pacer.done():
            self._pacer = asyncio.get_running_loop().create_task(self._pace())

    async def _pace(self) -> None:
        while self._outlets and self._anchor:
            self._wake.clear()
            now_ns = self.sync()
            next_ns = self.world.next_visible_ns()
            # Bounded: a call that the present instant has not reached yet announces no event.
            wait_s = _LONGEST_WAIT_S
            if next_ns is not None:
                wait_s = min(wait_s, max(0, next_ns - now_ns) / _NS_PER_S)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), wait_s)

    # --- agents that hold time up

    def _watch(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        idle = self._trial.idle_agents().values() if self._trial else ()
        if idle:
            delay_s = max(0.0, min(self._deadline_s(m) for m in idle) - _wall_s())
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._lose_patience)

    def _deadline_s(self, member: Member) -> float:
        if member.lost_since_s is not None:
            return member.lost_since_s + self._patience.lost_grace_s
        return member.idle_since_s + self._patience.abandon_after_s

    def _lose_patience(self) -> None:
        idle = self._trial.idle_agents() if self._trial else {}
        for agent, member in idle.items():
            if self._deadline_s(member) > _wall_s():
                continue
            if member.lost_since_s is None:
                self._drop_trial(
                    f"agent {agent!r} had no open request for {self._patience.abandon_after_s:g} s"
                )
                break
            member.is_away = True
        self._go_on()

    def _drop_trial(self, reason: str) -> None:
        trial, self._trial = self._trial, None
        if self._timer:
            self._timer.cancel()
            self._timer = None
        for outlet in [o for o in self._outlets if o.member and trial]:
            self.world.cancel(outlet.call)
            outlet.fail(
                409, f"trial {trial.trial_id!r} was abandoned: {reason}" if trial else reason
            )
            self._outlets.remove(outlet)

    def _not_joined(self, trial_id: str) -> NotJoined:
        joined = f"the joined one is {self._trial.trial_id!r}" if self._trial else "none is"
        return NotJoined(f"trial {trial_id!r} is not joined; {joined}")


def _request(server: int, asked: Asked, key: tuple[str, ...], place: tuple[bool, int]) -> Request:
    return Request(
        server=server,
        key=key,
        prompt=asked.prompt,
        is_first=place[0],
        order=place[1],
        num_ctx=asked.num_ctx,
        num_gpu=asked.num_gpu,
        num_predict=asked.num_predict,
        is_held=asked.is_held,
        truncate=asked.is_truncate,
        keep_alive_ns=asked.keep_alive_ns,
        model=asked.model,
    )


def _has_ended(outlets: Sequence[Outlet]) -> bool:
    return any(outlet.call.phase is Phase.ENDED for outlet in outlets)


def _wall_s() -> float:
    return asyncio.get_running_loop().time()
