"""What the model itself says: the truth that measured estimates are compared with.

Here: the four arms of a block played out in the world of a profile, with its noise or without. No
formula of the model is repeated here; a change of the world changes the truth with it.

Noise-free blocks are not what noisy ones scatter about where two agents run in step: any noise
takes them out of step, and one has the GPU to itself while the other reads its prompt. The value
that an interval has to cover is the mean over blocks of many seeds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from dualollama_pipeline.core.study import PAIR, Agent, arms_of, former, solo
from dualollama_pipeline.simulator.call import Call, Phase, Request
from dualollama_pipeline.simulator.profile import Profile
from dualollama_pipeline.simulator.world import World

Options = Mapping[str, float]
Stage = tuple[int, int | None]
"""(characters of the prompt, num_predict; None = the model decides)."""

_NS_PER_S = 1_000_000_000


def block_walls(
    profile: Profile, options_a: Options, options_b: Options, stages: Sequence[Stage]
) -> dict[str, float]:
    """Wall seconds of each arm, both servers holding their own agent's model at the start.

    With the noise of the profile: each seed is another block, each arm of it drawn anew.
    """
    options = {"a": options_a, "b": options_b}
    return {arm: _wall_s(profile, arm, options, stages) for arm in arms_of(PAIR)}


def noise_free_walls(
    profile: Profile, options_a: Options, options_b: Options, stages: Sequence[Stage]
) -> dict[str, float]:
    """Wall seconds of each arm without noise and accidents."""
    return block_walls(profile.noise_free(), options_a, options_b, stages)


def true_speedup(walls_s: Mapping[str, float], pair: str) -> float:
    """Formula: sum of the walls of the agents alone / wall of the pair (`apart` or `shared`)."""
    return sum(walls_s[solo(agent.name)] for agent in PAIR) / walls_s[pair]


@dataclass(slots=True)
class _Player:
    """An agent that sends one stage after the other, each as soon as the last has ended."""

    requests: list[Request]
    call: Call | None = None
    calls: list[Call] = field(default_factory=list)

    def is_waiting(self) -> bool:
        return self.call is not None and self.call.phase is not Phase.ENDED

    def go_on(self, world: World) -> None:
        if not self.is_waiting() and len(self.calls) < len(self.requests):
            self.call = world.submit(self.requests[len(self.calls)])
            self.calls.append(self.call)


def play(
    profile: Profile,
    arm: str,
    options: Mapping[str, Options],
    stages: Sequence[Stage],
    agents: Sequence[Agent] = PAIR,
) -> dict[str, list[Call]]:
    """Play one arm out, each server holding its own agent's model; return the agents' calls.

    Here an agent is called as the server that it has to itself.
    """
    servers = [agent.server for agent in agents]
    own = {agent.name: agent.server for agent in agents}
    world = World(profile, slots=(1,) * len(servers))
    for server, agent in enumerate(servers):
        world.preload(server, _request(arm, agent, server, options[agent], (1, None), 0))
    playing = {
        name: _Player(
            [
                replace(
                    _request(arm, name, servers.index(at), options[name], stage, i),
                    order=servers.index(name),
                )
                for i, stage in enumerate(stages)
            ]
        )
        for name, at in ((own[agent.name], agent.server) for agent in arms_of(agents)[arm])
    }
    while True:
        for player in playing.values():
            player.go_on(world)
        waiting = [player for player in playing.values() if player.is_waiting()]
        if not waiting:
            return {agent: player.calls for agent, player in playing.items()}
        world.advance_until(partial(_is_someone_free, waiting))


def _wall_s(
    profile: Profile, arm: str, options: Mapping[str, Options], stages: Sequence[Stage]
) -> float:
    ends = [
        call.ended_ns or 0
        for calls in play(profile, arm, options, stages).values()
        for call in calls
    ]
    return max(ends) / _NS_PER_S


def _is_someone_free(waiting: Sequence[_Player]) -> bool:
    return not all(player.is_waiting() for player in waiting)


def _request(
    arm: str, agent: str, server: int, options: Options, stage: Stage, index: int
) -> Request:
    n_characters, num_predict = stage
    # The name comes first, so that no prompt finds another's beginning in the cache.
    prompt = f"{agent}{index}".ljust(n_characters, ".")[:n_characters]
    return Request(
        server=server,
        key=("truth", former(arm), agent, str(index)),
        prompt=prompt,
        is_first=index == 0,
        num_predict=num_predict,
        num_ctx=int(options["num_ctx"]) if "num_ctx" in options else None,
        num_gpu=int(options["num_gpu"]) if "num_gpu" in options else None,
    )
