"""The trap: a world whose instants nobody has ever worked out by hand."""

from functools import partial
from typing import Any

import pytest

from dualollama_pipeline.simulator.call import Call, Ending, Phase, Request
from dualollama_pipeline.simulator.profile import EarlyStops, Profile
from dualollama_pipeline.simulator.world import World

MS = 1_000_000
PROMPT_CHARACTERS = 1000  # 200 tokens: 40 + 200 x 0.1 = 60 ms of solo work


def request(server: int = 0, name: str = "a", **fields: Any) -> Request:
    fields = {"prompt": name * PROMPT_CHARACTERS, "num_predict": 10, **fields}
    return Request(server=server, key=("t1", name, "analysis"), **fields)


def warm_world(profile: Profile, now_ns: int = 0) -> World:
    world = World(profile, now_ns)
    for server in (0, 1):
        world.preload(server, request(server))
    return world


def finish(world: World, *calls: Call) -> None:
    world.advance_until(lambda: all(c.phase is Phase.ENDED for c in calls))


def without_overhead(profile: Profile) -> Profile:
    fields = profile.model_dump()
    fields["decode"]["overhead_ms_per_token"]["mean"] = 0.0
    return Profile.model_validate(fields)


def test_solo_call(round_profile: Profile):
    world = warm_world(round_profile)
    call = world.submit(request())
    finish(world, call)
    assert call.load_ns == 200 * MS
    assert call.prompt_eval_ns == 60 * MS
    assert call.first_token_ns == (200 + 60 + 3) * MS
    assert call.ended_ns == 263 * MS + 10 * 10_500_000
    assert call.eval_ns == 100 * MS
    assert call.total_ns == 368 * MS
    assert (call.n_prompt_tokens, call.n_tokens, call.done_reason) == (200, 10, "length")
    assert call.take_instants() == [263 * MS + k * 10_500_000 for k in range(10)]


def test_following_call_has_its_own_load_and_eps(round_profile: Profile):
    world = warm_world(round_profile)
    call = world.submit(request(is_first=False))
    finish(world, call)
    assert call.first_token_ns == (260 + 60 + 15) * MS


def test_two_equal_streams(round_profile: Profile):
    world = warm_world(round_profile)
    calls = [world.submit(request(0, "a")), world.submit(request(1, "b", order=1))]
    finish(world, *calls)
    for call in calls:
        # Load is not GPU work: 200. Prompt 60 / 0.4 = 150, eps 3, tokens 10 x (10 / 0.4 + 0.5).
        assert call.prompt_eval_ns == 150 * MS
        assert call.first_token_ns == 353 * MS
        assert call.ended_ns == (353 + 255) * MS
        assert call.eval_ns == 250 * MS


def test_stream_that_joins_in_mid_decode(round_profile: Profile):
    """Written out with overhead 0: 10 ms a token alone, 25 ms shared."""
    world = warm_world(without_overhead(round_profile))
    first = world.submit(request(0, "a"))
    world.advance_to(96 * MS)
    second = world.submit(request(1, "b"))
    finish(world, first, second)
    # a decodes alone from 263 to 296 (b's load ends): 3.3 tokens. b reads its prompt until
    # 296 + 150 = 446: 6 tokens more, 9.3. Alone during b's eps until 449: 9.6. The last 0.4 at
    # 25 ms: 459. b has done 0.4 by then and goes on alone: 459 + 96 = 555.
    assert first.ended_ns == 459 * MS
    assert second.first_token_ns == 449 * MS
    assert second.ended_ns == 555 * MS
    assert first.take_instants()[:5] == [263 * MS, 273 * MS, 283 * MS, 293 * MS, 313_500_000]


@pytest.mark.parametrize(("is_held", "expected"), [(False, (5, "stop")), (True, (10, "length"))])
def test_an_answer_stops_early_unless_its_length_is_held(
    round_profile: Profile, is_held: bool, expected: tuple[int, str]
):
    """Real models end by themselves; a simulator that never does hides what that breaks."""
    half = EarlyStops(per_call=1.0, least_share=0.5, most_share=0.5)
    world = warm_world(round_profile.model_copy(update={"early_stops": half}))
    call = world.submit(request(is_held=is_held))
    finish(world, call)
    assert (call.n_tokens, call.done_reason) == expected
    assert len(call.take_instants()) == expected[0]


def test_a_prompt_may_get_less_beside_another_stream_than_decoding(round_profile: Profile):
    """60 ms of prompt at a share of 0.3: 200 ms each; decoding keeps 0.4."""
    gpu = round_profile.gpu.model_copy(update={"prompt_pair_share": 0.3})
    world = warm_world(round_profile.model_copy(update={"gpu": gpu}))
    calls = [world.submit(request(0, "a")), world.submit(request(1, "b", order=1))]
    finish(world, *calls)
    for call in calls:
        assert call.prompt_eval_ns == 200 * MS
        assert call.eval_ns == 250 * MS


def test_one_server_serves_one_call_at_a_time(round_profile: Profile):
    world = warm_world(round_profile)
    calls = [world.submit(request(0, "a")), world.submit(request(0, "b", order=1))]
    finish(world, *calls)
    assert calls[0].ended_ns == 368 * MS
    # Queued until 368, then as if alone; the queue is in the total and in no other counter.
    assert calls[1].first_token_ns == (368 + 263) * MS
    assert calls[1].load_ns == 200 * MS
    assert calls[1].total_ns == 2 * 368 * MS


def test_reload_counts_its_queue_as_load(round_profile: Profile):
    world = warm_world(round_profile)
    calls = [world.submit(request(0, "a")), world.submit(request(0, "b", order=1, num_gpu=20))]
    finish(world, *calls)
    assert calls[1].load_ns == (368 + 4000) * MS
    assert calls[1].total_ns == (368 + 4000 + 63 + 105) * MS


@pytest.mark.parametrize(
    ("second_at_ms", "first_load_ms", "second_load_ms"),
    [(0, 6000, 6000), (1000, 6000, 6000), (4500, 4000, 4000)],
)
def test_reloads_slow_each_other_only_when_they_overlap(
    round_profile: Profile, second_at_ms: int, first_load_ms: int, second_load_ms: int
):
    world = World(round_profile)
    first = world.submit(request(0, "a", prompt=""))
    world.advance_to(second_at_ms * MS)
    second = world.submit(request(1, "b", prompt=""))
    finish(world, first, second)
    assert (first.load_ns, second.load_ns) == (first_load_ms * MS, second_load_ms * MS)
    assert first.ending is Ending.LOADED


def test_prompt_cache(round_profile: Profile):
    world = warm_world(round_profile)
    before = world.submit(request(prompt="x" * 1000))
    finish(world, before)
    call = world.submit(request(prompt="x" * 500 + "y" * 500))
    finish(world, call)
    # 100 of 200 tokens are known: 25 + 100 x 0.1 = 35 ms; the count still says 200.
    assert call.prompt_eval_ns == 35 * MS
    assert call.n_prompt_tokens == 200


def test_unload_empties_the_prompt_cache(round_profile: Profile):
    world = warm_world(round_profile)
    finish(world, world.submit(request()))
    world.unload(0)
    assert world.resident(0) is None
    call = world.submit(request())
    finish(world, call)
    assert call.is_reload
    assert call.prompt_eval_ns == 60 * MS


def test_keep_alive_runs_from_the_end_of_the_last_call(round_profile: Profile):
    world = warm_world(round_profile)
    call = world.submit(request(keep_alive_ns=1000 * MS))
    finish(world, call)
    world.advance_to((368 + 999) * MS)
    assert world.resident(0)
    world.advance_to((368 + 1000) * MS)
    assert world.resident(0) is None


def test_too_long_prompt_is_cut_or_refused(round_profile: Profile):
    """Silent truncation keeps half the context: a count that does not fit the prompt sent."""
    world = warm_world(round_profile)
    for server in (0, 1):
        world.preload(server, request(num_ctx=512))  # 2048 by the floor
    cut = world.submit(request(0, "a", prompt="x" * 20_000))
    refused = world.submit(request(1, "b", prompt="x" * 20_000, truncate=False))
    finish(world, cut, refused)
    assert cut.n_prompt_tokens == 1024
    assert refused.ending is Ending.REFUSED
    assert "exceed_context_size_error" in refused.refusal
    assert refused.ended_ns == 200 * MS


@pytest.mark.parametrize("victim", [0, 1])
def test_cancelled_call_frees_server_and_gpu(round_profile: Profile, victim: int):
    """A dead client must not go on taking half of the GPU or holding the queue."""
    world = warm_world(round_profile)
    calls = [world.submit(request(0, "a")), world.submit(request(0, "b", order=1))]
    world.advance_to(300 * MS)
    world.cancel(calls[victim])
    other = calls[1 - victim]
    finish(world, other)
    # With the first gone at 300 the second starts there; with the second gone nothing changes.
    assert other.ended_ns == ((300 + 368) if victim == 0 else 368) * MS
    assert calls[victim].ending is Ending.CANCELLED


def test_survivor_of_a_cancelled_pair_goes_on_alone(round_profile: Profile):
    world = warm_world(round_profile)
    calls = [world.submit(request(0, "a")), world.submit(request(1, "b", order=1))]
    world.advance_to(404 * MS)
    world.cancel(calls[1])
    finish(world, calls[0])
    # First token at 353 (test_two_equal_streams), two tokens of 25.5 ms until 404, eight of 10.5.
    assert calls[0].ended_ns == (404 + 84) * MS


def test_whole_instant_is_played_before_time_stops(round_profile: Profile):
    """Of two calls that end at once the second must not wait for the first agent's next one."""
    world = warm_world(round_profile)
    calls = [world.submit(request(0, "a")), world.submit(request(1, "b", order=1))]
    world.advance_until(partial(has_one_ended, calls))
    assert [call.ended_ns for call in calls] == [608 * MS, 608 * MS]


def has_one_ended(calls: list[Call]) -> bool:
    return any(call.phase is Phase.ENDED for call in calls)


def dual_trial(profile: Profile, now_ns: int, *, is_reversed: bool, servers=(0, 1)) -> list:
    """Everything that two agents with two stages each can see, relative to the start."""
    world = warm_world(profile, now_ns)
    todo = {a: ["analysis", "report"] for a in (["b", "a"] if is_reversed else ["a", "b"])}
    seen: dict[tuple[str, str], Call] = {}
    running: dict[str, Call] = {}
    while any(todo.values()) or running:
        for agent, stages in todo.items():
            if agent not in running and stages:
                stage = stages.pop(0)
                order, number = "ab".index(agent), len(stages)
                call = Request(
                    server=servers[order],
                    key=("t1", agent, stage),
                    prompt=f"{agent}{stage}" * 100,
                    is_first=number == 1,
                    order=order,
                    num_predict=200 + 7 * order,
                )
                running[agent] = seen[agent, stage] = world.submit(call)
        world.advance_until(partial(has_one_ended, list(running.values())))
        running = {a: c for a, c in running.items() if c.phase is not Phase.ENDED}
    counters = [
        (name, c.received_ns - now_ns, c.load_ns, c.prompt_eval_ns, c.eval_ns, c.total_ns)
        for name, c in sorted(seen.items())
    ]
    instants = [[i - now_ns for i in c.take_instants()] for _, c in sorted(seen.items())]
    return [counters, instants]


@pytest.mark.parametrize("servers", [(0, 1), (0, 0)])
def test_translation_invariance(standard: Profile, servers):
    """A resumed run starts elsewhere in virtual time and must draw the same nanoseconds."""
    here = dual_trial(standard, 0, is_reversed=False, servers=servers)
    for now_ns in (1, 123_456_789_123_456_789, 2**61 + 12_345):
        assert dual_trial(standard, now_ns, is_reversed=False, servers=servers) == here


@pytest.mark.parametrize("servers", [(0, 1), (0, 0)])
def test_order_of_arrival_does_not_matter(standard: Profile, servers):
    """Which socket is read first is chance; the declared order decides who is served first."""
    straight = dual_trial(standard, 0, is_reversed=False, servers=servers)
    assert dual_trial(standard, 0, is_reversed=True, servers=servers) == straight


def test_stepping_finely_changes_nothing(standard: Profile):
    """Real time looks at the world thousands of times; looking must not move it."""
    coarse, fine = warm_world(standard), warm_world(standard)
    calls = [
        [w.submit(request(0, "a")), w.submit(request(1, "b", order=1))] for w in (coarse, fine)
    ]
    finish(coarse, *calls[0])
    for instant_ms in range(0, 2000, 3):
        fine.advance_to(instant_ms * MS)
    for one, other in zip(*calls, strict=True):
        assert one.take_instants() == other.take_instants()
        assert (one.ended_ns, one.eval_ns) == (other.ended_ns, other.eval_ns)


def test_models_of_one_server_do_not_wait_for_each_other(round_profile: Profile):
    """Each has a process of its own; in one queue the small one would pay for the large one."""
    world = World(round_profile.serving(["tiny:1b"]))
    size = 1 / 4.3  # the profile's model has 4.3 thousand million parameters
    for model in ("", "tiny:1b"):
        world.preload(0, request(model=model))
    calls = [world.submit(request(model="")), world.submit(request(name="b", model="tiny:1b"))]
    finish(world, *calls)
    assert not any(call.is_reload for call in calls)
    assert calls[1].load_ns == 200 * MS
    # both read their prompts from 200 ms on, at 0.4 each
    assert calls[1].prompt_eval_ns == pytest.approx(60 * MS * size / 0.4, rel=0.01)
    assert world.resident(0, "tiny:1b")
    world.unload(0, "tiny:1b")
    assert world.resident(0, "tiny:1b") is None
    assert world.resident(0)


def test_a_model_loads_and_answers_by_its_size(round_profile: Profile):
    """A small model at the large one's speed would say nothing about small models."""
    world = World(round_profile.serving(["tiny:430m"]))
    call = world.submit(request(model="tiny:430m"))
    finish(world, call)
    # a tenth of 4000 ms, 60 ms and 10 x (10 + 0.5) ms; eps is 3 ms whatever the size
    assert (call.load_ns, call.prompt_eval_ns) == (400 * MS, 6 * MS)
    assert call.total_ns == pytest.approx((400 + 6 + 3 + 10.5) * MS, rel=1e-6)


def test_slots_answer_side_by_side_and_a_third_call_waits(round_profile: Profile):
    """One slot makes two agents take turns; with two they share the GPU instead."""
    world = World(round_profile, slots=(2,))
    world.preload(0, request())
    calls = [world.submit(request(name=name, order=i)) for i, name in enumerate("abc")]
    finish(world, *calls[:2])
    assert calls[0].ended_ns == calls[1].ended_ns
    assert [call.load_ns for call in calls[:2]] == [200 * MS, 200 * MS]
    # read together, two have 1.27 times the speed of one: 10 x (10 x 2 / 1.27 + 0.5) ms
    assert calls[0].prompt_eval_ns == pytest.approx(60 * MS * 2 / 1.27, abs=2)
    assert calls[0].eval_ns == pytest.approx(100 * MS * 2 / 1.27, abs=20)
    finish(world, calls[2])
    assert calls[2].first_token_ns == (calls[0].ended_ns or 0) + (200 + 60 + 3) * MS


def test_a_reload_waits_for_all_slots(round_profile: Profile):
    """Another context size needs the model anew, and nobody's answer is cut for that."""
    world = World(round_profile, slots=(2,))
    world.preload(0, request())
    calls = [world.submit(request()), world.submit(request(name="b", order=1, num_ctx=8192))]
    finish(world, *calls)
    assert (calls[0].is_reload, calls[1].is_reload) == (False, True)
    assert calls[1].load_ns == (calls[0].ended_ns or 0) + 4000 * MS


def test_each_slot_remembers_its_own_prompt(round_profile: Profile):
    """Two conversations on two slots: the second turn of each finds its first."""
    world = World(round_profile, slots=(2,))
    world.preload(0, request())
    finish(world, *[world.submit(request(name=name, order=i)) for i, name in enumerate("ab")])
    later = world.submit(request(prompt="a" * PROMPT_CHARACTERS + "b" * PROMPT_CHARACTERS))
    finish(world, later)
    # 200 of 400 tokens are known: 25 + 200 x 0.1 = 45 ms
    assert later.prompt_eval_ns == 45 * MS


def test_a_profile_that_needs_nothing_more_stays_what_it_was(round_profile: Profile):
    """Its fingerprint is the simulated machine's identity: old batches would be another's."""
    assert round_profile.serving(["gemma3", "Gemma3:latest"]).fingerprint == (
        round_profile.fingerprint
    )
    assert round_profile.serving(["tiny:1b"]).fingerprint != round_profile.fingerprint
