"""The trap: somebody waits for ever, or the network's order shows in the data."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from dualollama_pipeline.simulator.app import build_app
from dualollama_pipeline.simulator.conductor import Conductor, Patience
from dualollama_pipeline.simulator.profile import Profile
from dualollama_pipeline.simulator.trial import Trial

LIMIT_S = 5
Clients = tuple[httpx.AsyncClient, httpx.AsyncClient]


class InProcess(httpx.ASGITransport):
    """Server `number` of a conductor, which tests may ask how many calls it holds."""

    def __init__(self, number: int, conductor: Conductor, profile: Profile) -> None:
        super().__init__(build_app(number, conductor, profile))
        self.conductor = conductor


async def until_open(client: httpx.AsyncClient, n_calls: int) -> None:
    """Let the loop run until the servers have received `n_calls` calls."""
    assert isinstance(client._transport, InProcess)
    while client._transport.conductor.n_open < n_calls:  # noqa: ASYNC110 - a pass of the loop each
        await asyncio.sleep(0)


def with_pair(
    profile: Profile, talk: Callable[[Clients], Awaitable[Any]], patience: Patience | None = None
) -> Any:
    """Run a conversation with both servers over ASGI; it fails rather than hangs."""

    async def conversation() -> Any:
        conductor = Conductor(profile, patience)
        a, b = (
            httpx.AsyncClient(
                transport=InProcess(i, conductor, profile),
                base_url=f"http://server-{i}",
            )
            for i in (0, 1)
        )
        async with a, b, asyncio.timeout(LIMIT_S):
            return await talk((a, b))

    return asyncio.run(conversation())


async def with_urls(urls: dict[str, str], talk: Callable[[Clients], Awaitable[Any]]) -> Any:
    """The same with the real process."""
    a = httpx.AsyncClient(base_url=urls["a"], trust_env=False)
    b = httpx.AsyncClient(base_url=urls["b"], trust_env=False)
    async with a, b, asyncio.timeout(LIMIT_S):
        return await talk((a, b))


async def join(client: httpx.AsyncClient, trial_id: str = "t1", agents: str = "ab") -> int:
    body = {"trial_id": trial_id, "agents": list(agents)}
    return int((await client.post("/simulator/join", json=body)).json()["now_ns"])


async def leave(client: httpx.AsyncClient, agent: str, trial_id: str = "t1") -> httpx.Response:
    return await client.post("/simulator/leave", json={"trial_id": trial_id, "agent": agent})


async def call(
    client: httpx.AsyncClient, agent: str, stage: str = "s1", trial_id: str = "t1", **fields: Any
) -> httpx.Response:
    headers = {
        "X-Simulator-Trial": trial_id,
        "X-Simulator-Agent": agent,
        "X-Simulator-Stage": stage,
    }
    body = {"model": "gemma3", "prompt": agent * 720, "options": {"num_predict": 100}, **fields}
    return await client.post("/api/generate", json=body, headers=headers)


async def agent(
    client: httpx.AsyncClient, name: str, n_calls: int = 2, trial_id: str = "t1"
) -> list[bytes]:
    answers = [await call(client, name, f"s{i}", trial_id) for i in range(n_calls)]
    await leave(client, name, trial_id)
    return [answer.content for answer in answers]


@pytest.mark.parametrize("is_single", [False, True])
def test_order_of_bytes_does_not_show(standard: Profile, is_single: bool):
    async def trial(clients: Clients, *, is_reversed: bool) -> list[list[bytes]]:
        a, b = (clients[0], clients[0]) if is_single else clients
        await join(a)
        tasks = [agent(a, "a"), agent(b, "b")]
        if is_reversed:
            second, first = await asyncio.gather(*reversed(tasks))
            return [second, first][::-1]
        return list(await asyncio.gather(*tasks))

    straight = with_pair(standard, lambda clients: trial(clients, is_reversed=False))
    assert with_pair(standard, lambda clients: trial(clients, is_reversed=True)) == straight
    assert all(b'"done":true' in content for answers in straight for content in answers)


def test_time_stands_still_until_everybody_is_in(standard: Profile):
    async def talk(clients: Clients) -> None:
        a, b = clients
        start_ns = await join(a)
        early = asyncio.create_task(call(a, "a"))
        await until_open(a, 1)
        assert not early.done()
        late = asyncio.create_task(call(b, "b"))
        await asyncio.wait([early, late], return_when=asyncio.FIRST_COMPLETED)
        assert early.done() != late.done()
        ended, waiting = ("a", late) if early.done() else ("b", early)
        await leave(a, ended)
        answers = [await early, await waiting, await late]
        assert {r.headers["X-Simulated-Received-Ns"] for r in answers} == {str(start_ns)}

    with_pair(standard, talk)


def test_unload_and_refusals_need_no_second_agent(standard: Profile):
    """An instant request that waited for the others would wait for ever."""

    async def talk(clients: Clients) -> None:
        await join(clients[0])
        unloaded = await call(clients[0], "a", prompt="", keep_alive=0)
        assert unloaded.json()["done_reason"] == "unload"
        assert (await call(clients[0], "a", model="x")).status_code == 404
        await leave(clients[1], "b")
        loaded = await call(clients[0], "a", prompt="")
        assert loaded.json()["done_reason"] == "load"

    with_pair(standard, talk)


def test_load_is_not_the_first_generation(round_profile: Profile):
    """A warm-up that counted as the first call would change every measured load time."""

    async def talk(clients: Clients) -> list[int]:
        await join(clients[0], agents="a")
        await call(clients[0], "a", prompt="")
        answers = [await call(clients[0], "a", f"s{i}") for i in range(2)]
        return [json.loads(r.content.splitlines()[-1])["load_duration"] for r in answers]

    assert with_pair(round_profile, talk) == [200_000_000, 260_000_000]


@pytest.mark.parametrize(
    ("trial_id", "name", "why"),
    [("t0", "a", "'t0' is not joined"), ("t1", "x", "has not joined"), ("t1", "b", "has left")],
)
def test_strangers_get_409(standard: Profile, trial_id: str, name: str, why: str):
    async def talk(clients: Clients) -> httpx.Response:
        await join(clients[0])
        await leave(clients[0], "b")
        return await call(clients[0], name, trial_id=trial_id)

    answer = with_pair(standard, talk)
    assert answer.status_code == 409
    assert why in answer.json()["error"]
    assert answer.headers["X-Simulated-Received-Ns"] == "0"


def test_new_trial_replaces_the_one_of_a_killed_worker(standard: Profile):
    async def talk(clients: Clients) -> None:
        await join(clients[0])
        stuck = asyncio.create_task(call(clients[0], "a"))
        await until_open(clients[0], 1)
        await join(clients[1], "t2")
        assert "t2" in (await stuck).json()["error"]
        answers = await asyncio.gather(
            agent(clients[0], "a", trial_id="t2"), agent(clients[1], "b", trial_id="t2")
        )
        assert all(b'"done":true' in content for contents in answers for content in contents)
        assert (await call(clients[0], "a")).status_code == 409

    with_pair(standard, talk)


def test_silent_agent_has_its_trial_abandoned(standard: Profile):
    async def talk(clients: Clients) -> None:
        await join(clients[0])
        answer = await call(clients[0], "a")
        assert "agent 'b' had no open request for 0.05 s" in answer.json()["error"]
        assert (await call(clients[0], "a")).status_code == 409

    with_pair(standard, talk, Patience(abandon_after_s=0.05))


def test_broken_connection_does_not_block_the_other(standard: Profile):
    """Both wait in one queue; the first client dies before time has passed at all."""

    async def talk(clients: Clients) -> None:
        a, b = clients
        await join(a, agents="abc")
        victim = asyncio.create_task(call(a, "a"))
        other = asyncio.create_task(call(a, "b"))
        await until_open(a, 2)
        victim.cancel()
        await asyncio.gather(victim, return_exceptions=True)
        await leave(b, "c")
        final = json.loads((await other).content.splitlines()[-1])
        # Nothing of the victim's turn is left: no queue between load, prompt, eps and tokens.
        counted = sum(final[f"{name}_duration"] for name in ("load", "prompt_eval", "eval"))
        assert final["done"] is True
        assert final["total_duration"] - counted < 100_000_000

    with_pair(standard, talk, Patience(lost_grace_s=0.05))


def test_answer_that_nobody_reads_does_not_block_the_other(standard: Profile):
    """The call of the dead client ends in the world before its connection is seen to be gone."""

    async def talk(clients: Clients) -> bytes:
        a, b = clients
        await join(a, agents="abc")
        victim = asyncio.create_task(call(a, "a"))
        other = asyncio.create_task(call(a, "b"))
        await until_open(a, 2)
        victim.cancel()
        await leave(b, "c")
        return (await other).content

    assert b'"done":true' in with_pair(standard, talk, Patience(lost_grace_s=0.05))


def test_lost_agent_may_retry_at_the_same_instant(standard: Profile):
    """Within the grace the others wait for it, so that no wall time shows in the data."""

    async def talk(clients: Clients) -> list[str]:
        a, b = clients
        await join(a)
        victim = asyncio.create_task(call(a, "a"))
        await until_open(a, 1)
        victim.cancel()
        await asyncio.gather(victim, return_exceptions=True)
        other = asyncio.create_task(call(b, "b"))
        await until_open(a, 1)
        assert not other.done()
        retry = asyncio.create_task(call(a, "a"))
        await asyncio.wait([other, retry], return_when=asyncio.FIRST_COMPLETED)
        await leave(b, "b")
        await leave(a, "a")
        answers = [await retry, await other]
        return [answer.headers["X-Simulated-Received-Ns"] for answer in answers]

    assert with_pair(standard, talk) == ["0", "0"]


def test_stopping_ends_open_calls(standard: Profile):
    """A server that waits for its own streams at the end would have to be killed."""

    async def talk(clients: Clients) -> list[httpx.Response]:
        a, b = clients
        await join(a)
        joined = asyncio.create_task(call(a, "a"))
        unjoined = asyncio.create_task(
            b.post("/api/generate", json={"model": "gemma3", "prompt": "hello"})
        )
        await until_open(a, 2)
        assert isinstance(a._transport, InProcess)
        a._transport.conductor.close()
        return [await joined, await unjoined]

    answers = with_pair(standard, talk)
    assert [answer.status_code for answer in answers] == [409, 503]
    assert all("stopping" in answer.json()["error"] for answer in answers)


def test_real_process_with_two_clients(pair: dict[str, str], quick_profile_path: Path):
    """The same trial twice in one process, and once in this one: the same durations."""

    async def trial(clients: Clients) -> list[list[dict[str, Any]]]:
        await join(clients[0], "warm", "ab")
        await asyncio.gather(
            agent(clients[0], "a", 1, "warm"),
            agent(clients[1], "b", 1, "warm"),
        )
        await join(clients[1])
        answers = await asyncio.gather(agent(clients[0], "a"), agent(clients[1], "b"))
        finals = [[json.loads(c.splitlines()[-1]) for c in contents] for contents in answers]
        for final in finals[0] + finals[1]:
            del final["created_at"]
        return finals

    once = asyncio.run(with_urls(pair, trial))
    assert asyncio.run(with_urls(pair, trial)) == once
    assert with_pair(Profile.load(quick_profile_path), trial) == once
    assert once[0][0]["eval_count"] == 100


def test_real_process_survives_a_killed_client(pair: dict[str, str]):
    """A socket that is closed without a word, as by kill -9, with the call still open."""
    body = json.dumps({"model": "gemma3", "prompt": "x" * 720}).encode()
    head = "POST /api/generate HTTP/1.1\r\nHost: a\r\nX-Simulator-Trial: kill\r\n"
    head += "X-Simulator-Agent: a\r\nX-Simulator-Stage: s\r\n"
    head += f"Content-Length: {len(body)}\r\n\r\n"

    async def talk(clients: Clients) -> list[bytes]:
        await join(clients[0], "kill", "ab")
        _, writer = await asyncio.open_connection("127.0.0.1", int(pair["a"].rsplit(":", 1)[1]))
        writer.write(head.encode() + body)
        await writer.drain()
        for _ in range(5):
            # Written after the call, so answered after the call was read.
            await clients[0].get("/api/version")
        writer.transport.abort()
        return await agent(clients[1], "b", 2, "kill")

    answers = asyncio.run(with_urls(pair, talk))
    assert [b'"done":true' in content for content in answers] == [True, True]


def test_when_all_agents_are_gone_time_is_real_again():
    """A killed worker never leaves: a person's request after it would wait for ever."""
    trial = Trial("t", ["a", "b"], 0.0)
    trial.members["a"].has_left = True
    assert not trial.is_over
    trial.members["b"].is_away = True
    assert trial.is_over
    trial.members["b"].open_request(is_generation=True)  # it was not gone after all
    assert not trial.is_over
