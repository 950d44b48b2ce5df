"""Who takes part in the joined trial, and whether time may pass.

Here: the bookkeeping of the join protocol. It holds no clock, no world and no socket: the caller
says what the wall clock shows.
"""

from collections.abc import Sequence
from dataclasses import dataclass


class NotJoined(Exception):  # noqa: N818 - a refusal by protocol, answered with 409
    """The request belongs to a trial or an agent that does not take part (any more)."""


@dataclass(slots=True)
class Member:
    """One agent of the trial. `order` is its place in the submission order."""

    order: int
    idle_since_s: float
    n_open: int = 0
    n_generations: int = 0
    has_left: bool = False
    is_away: bool = False
    lost_since_s: float | None = None

    @property
    def is_waited_for(self) -> bool:
        """Whether time stands still until this agent has a request open."""
        return not (self.has_left or self.is_away)

    def open_request(self, *, is_generation: bool) -> bool:
        """Count a request in; True when it is the agent's first generation since join."""
        self.n_open += 1
        self.is_away, self.lost_since_s = False, None
        is_first = self.n_generations == 0
        self.n_generations += is_generation
        return is_first

    def close_request(self, wall_s: float, *, is_lost: bool) -> None:
        """Count a request out; `is_lost` when its client went away."""
        self.n_open -= 1
        self.idle_since_s = wall_s
        if is_lost and self.n_open == 0:
            self.lost_since_s = wall_s


class Trial:
    """The members of one joined trial."""

    def __init__(self, trial_id: str, agents: Sequence[str], wall_s: float) -> None:
        self.trial_id = trial_id
        self.members = {agent: Member(i, wall_s) for i, agent in enumerate(agents)}

    def member(self, trial_id: str, agent: str) -> Member:
        """The member that a request belongs to.

        Raises:
            NotJoined: when the request's trial or agent does not take part.
        """
        if trial_id != self.trial_id:
            raise NotJoined(
                f"trial {trial_id!r} is not joined; the joined one is {self.trial_id!r}"
            )
        member = self.members.get(agent)
        if member is None:
            raise NotJoined(f"agent {agent!r} has not joined trial {trial_id!r}")
        if member.has_left:
            raise NotJoined(f"agent {agent!r} has left trial {trial_id!r}; join it again")
        return member

    @property
    def is_over(self) -> bool:
        """Whether every agent has left or is gone: then nobody's request passes time any more."""
        return not any(m.is_waited_for or m.n_open for m in self.members.values())

    @property
    def may_time_pass(self) -> bool:
        """Whether every agent that is waited for has a request open, and there is one at all."""
        members = self.members.values()
        is_everybody_in = all(m.n_open > 0 for m in members if m.is_waited_for)
        return is_everybody_in and any(m.n_open > 0 for m in members)

    def idle_agents(self) -> dict[str, Member]:
        """Agents that hold time up: no request open, not left, not away."""
        return {a: m for a, m in self.members.items() if m.is_waited_for and m.n_open == 0}
