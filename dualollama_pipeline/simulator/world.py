"""The discrete-event world: servers that share one GPU, in integer nanoseconds.

Here: the order of events and nothing else; no HTTP, no asyncio, no wall clock. Who may let time
pass, and when, is the business of `conductor.py`.
"""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from dualollama_pipeline.simulator.call import Call, Ending, Phase, Request
from dualollama_pipeline.simulator.draws import NS_PER_MS, draw
from dualollama_pipeline.simulator.gpu import SharedWork, batch_share, rate_per_stream
from dualollama_pipeline.simulator.profile import Profile
from dualollama_pipeline.simulator.residency import (
    Placement,
    Resident,
    count_tokens,
    cut_to,
    prefill_work_ms,
    wanted_placement,
)

_NS_PER_S = 1_000_000_000


@dataclass(slots=True)
class Runner:
    """One model on one server: its slots, a queue, and whether it is loaded.

    Models on one server do not wait for each other: Ollama gives each a process of its own.
    """

    current: list[Call] = field(default_factory=list)
    queue: deque[Call] = field(default_factory=deque)
    resident: Resident | None = None
    loading: Placement | None = None
    is_unload_asked: bool = False


class World:
    """Everything that happens, event by event, from whatever `now_ns` it starts at."""

    def __init__(self, profile: Profile, now_ns: int = 0, slots: Sequence[int] = (1, 1)) -> None:
        """`slots`: for each server, the calls that one of its models answers at a time."""
        self.profile = profile
        self.now_ns = now_ns
        self._slots = slots
        self._runners: list[dict[str, Runner]] = [{} for _ in slots]
        self._arrivals: list[Call] = []
        self._live: list[Call] = []

    # --- what the outside may do at the present instant

    def n_slots(self, server: int) -> int:
        """The calls that one of a server's models answers at a time."""
        return self._slots[server]

    def submit(self, request: Request) -> Call:
        """Receive a request now. It takes part as soon as time passes."""
        draws = draw(self.profile, request.key, is_first=request.is_first)
        call = Call(request, draws.resized(self.profile.size(request.model)), self.now_ns)
        self._arrivals.append(call)
        return call

    def cancel(self, call: Call) -> None:
        """The client is gone: the call ends now and its server is free. Ended calls stay as is."""
        if call.phase is Phase.ENDED:
            return
        runner = self._runner(call.request.server, call.request.model)
        was_current = call in runner.current
        if call in self._arrivals:
            self._arrivals.remove(call)
        elif call in runner.queue:
            runner.queue.remove(call)
        call.emit_until(self.now_ns)
        self._end(call, Ending.CANCELLED)
        if was_current:
            self._release(runner, call)
            self._share_gpu()

    def unload(self, server: int, model: str = "") -> None:
        """Drop a model now, or as soon as it falls idle if it is busy."""
        runner = self._runner(server, model)
        if runner.current:
            runner.is_unload_asked = True
        else:
            runner.resident = None

    def preload(self, server: int, request: Request) -> None:
        """Make the model resident as `request` wants it, at no cost (for a known start)."""
        placement = wanted_placement(request, None, self.profile.model)
        runner = self._runner(server, request.model)
        runner.resident = Resident(placement, self._default_keep_alive_ns)

    def resident(self, server: int, model: str = "") -> Resident | None:
        """Return a model as a server holds it at this instant; None if it does not."""
        runner = self._runner(server, model)
        if runner.resident and runner.resident.is_expired(self.now_ns):
            runner.resident = None
        return runner.resident

    def _runner(self, server: int, model: str) -> Runner:
        card = self.profile.card(model) or self.profile.model
        return self._runners[server].setdefault(card.name, Runner())

    def _place(self, call: Call) -> tuple[int, str]:
        card = self.profile.card(call.request.model) or self.profile.model
        return call.request.server, card.name

    # --- passing time

    def advance_until(self, is_over: Callable[[], bool]) -> None:
        """Process event after event until `is_over`, then the rest of that same instant."""
        while not is_over() and self._step():
            pass
        while self._next_event_ns() == self.now_ns:
            self._step()

    def advance_to(self, until_ns: int) -> None:
        """Let time pass up to `until_ns` and put out the tokens that are due by then."""
        self._admit()
        event_ns = self._next_event_ns()
        while event_ns is not None and event_ns <= until_ns:
            self._step()
            event_ns = self._next_event_ns()
        self.now_ns = max(self.now_ns, until_ns)
        self.emit()

    def emit(self) -> None:
        """Put out every token that is due at the present instant."""
        for call in self._live:
            call.emit_until(self.now_ns)

    def next_visible_ns(self) -> int | None:
        """Instant of the next token or event; None when nothing will happen by itself."""
        self._admit()
        instants = [c.event_ns for c in self._live] + [c.next_token_ns for c in self._live]
        return min((i for i in instants if i is not None), default=None)

    def _step(self) -> bool:
        self._admit()
        event_ns = self._next_event_ns()
        if event_ns is None:
            return False
        self.now_ns = event_ns
        for call in [c for c in self._live if c.event_ns == event_ns]:
            self._change_phase(call)
        self._share_gpu()
        return True

    def _next_event_ns(self) -> int | None:
        return min((c.event_ns for c in self._live if c.event_ns is not None), default=None)

    def _admit(self) -> None:
        # Sorted by the declared order: which bytes came first over the network must not matter.
        for call in sorted(self._arrivals, key=lambda c: c.request.order):
            self._live.append(call)
            call.phase = Phase.QUEUED
            runner = self._runner(call.request.server, call.request.model)
            runner.queue.append(call)
            self._fill(runner)
        self._arrivals.clear()

    def _fill(self, runner: Runner) -> None:
        """Start what waits, in its order, as far as there are slots; a reload waits for all."""
        while runner.queue and (not runner.current or self._has_slot(runner)):
            self._start_load(runner, runner.queue.popleft())

    def _has_slot(self, runner: Runner) -> bool:
        n_slots = self._slots[runner.queue[0].request.server]
        if runner.loading or runner.resident is None or len(runner.current) >= n_slots:
            return False
        held = runner.resident.placement
        return wanted_placement(runner.queue[0].request, held, self.profile.model) == held

    def _share_gpu(self) -> None:
        gpu, active = self.profile.gpu, [c for c in self._live if c.work is not None]
        n_slots = Counter(map(self._place, active))
        for call in active:
            reads = call.phase is Phase.PREFILL
            rate = rate_per_stream(len(n_slots), gpu, reads_prompt=reads)
            rate *= batch_share(n_slots[self._place(call)], gpu)
            if call.work and call.work.rate != rate:
                if call.work.rate > 0:
                    call.emit_until(self.now_ns)
                call.work.set_rate(self.now_ns, rate)

    # --- the phases of a call

    def _change_phase(self, call: Call) -> None:
        if call.phase is Phase.LOAD:
            self._finish_load(call)
        elif call.phase is Phase.PREFILL:
            self._finish_prefill(call)
        elif call.phase is Phase.EPS:
            self._start_decode(call)
        else:
            self._finish_decode(call)

    def _start_load(self, runner: Runner, call: Call) -> None:
        runner.current.append(call)
        resident = self.resident(call.request.server, call.request.model)
        held = resident.placement if resident else None
        wanted = wanted_placement(call.request, held, self.profile.model)
        call.phase, call.phase_since_ns = Phase.LOAD, self.now_ns
        runner.is_unload_asked = False
        if resident and wanted == held:
            resident.expires_ns = None
            call.timer_ns = self.now_ns + call.draws.load_warm_ns
            return
        runner.resident, runner.loading, call.is_reload = None, wanted, True
        call.timer_ns = self.now_ns + call.draws.reload_one_ns
        self._slow_overlapping_reloads()

    def _slow_overlapping_reloads(self) -> None:
        runners = [runner for server in self._runners for runner in server.values()]
        loading = [call for runner in runners if runner.loading for call in runner.current]
        if len(loading) > 1:
            for call in loading:
                both_ns = call.phase_since_ns + call.draws.reload_both_ns
                call.timer_ns = max(call.timer_ns, both_ns)

    def _finish_load(self, call: Call) -> None:
        runner = self._runner(call.request.server, call.request.model)
        if runner.loading:
            runner.resident = Resident(runner.loading, self._default_keep_alive_ns)
            runner.loading = None
        if runner.resident and call.request.keep_alive_ns is not None:
            runner.resident.keep_alive_ns = call.request.keep_alive_ns
        # As in Ollama: a reload waits for the running call inside its own load time.
        since_ns = call.received_ns if call.is_reload else call.phase_since_ns
        call.load_ns = self.now_ns - since_ns
        if call.request.is_load_only:
            call.done_reason = "load"
            self._end_and_release(call, Ending.LOADED)
        elif runner.resident:
            self._start_prefill(call, runner.resident)

    def _start_prefill(self, call: Call, resident: Resident) -> None:
        prefill, num_ctx = self.profile.prefill, resident.placement.num_ctx
        prompt = call.request.prompt
        call.n_prompt_tokens = count_tokens(prompt, prefill)
        if call.n_prompt_tokens > num_ctx:
            if not call.request.truncate:
                call.refusal = _context_refusal(call.n_prompt_tokens, num_ctx)
                self._end_and_release(call, Ending.REFUSED)
                return
            call.n_prompt_tokens = num_ctx // 2
            prompt = cut_to(prompt, call.n_prompt_tokens, prefill)
        n_cached = resident.take(prompt, prefill, self._slots[call.request.server])
        size = self.profile.size(call.request.model)
        work_ms = size * prefill_work_ms(call.n_prompt_tokens, n_cached, prefill)
        self._choose_length(call, num_ctx)
        call.work = SharedWork(n_units=1, work_ns=work_ms * NS_PER_MS)
        call.phase, call.phase_since_ns = Phase.PREFILL, self.now_ns

    def _choose_length(self, call: Call, num_ctx: int) -> None:
        decode, accidents, draws = self.profile.decode, self.profile.accidents, call.draws
        if call.request.num_predict is not None and call.request.num_predict > 0:
            call.n_tokens, call.done_reason = call.request.num_predict, "length"
            self._stop_early(call, call.request.num_predict)
            return
        call.done_reason = "stop"
        if draws.is_runaway:
            call.n_tokens = accidents.runaway_tokens
        elif draws.is_repetition:
            call.n_tokens = accidents.repetition_tokens
        elif call.n_prompt_tokens <= decode.short_prompt_max_tokens:
            call.n_tokens = draws.short_prompt_tokens
        elif num_ctx == self.profile.model.default_num_ctx:
            call.n_tokens = draws.long_prompt_default_ctx_tokens
        else:
            call.n_tokens = draws.long_prompt_tokens

    def _stop_early(self, call: Call, num_predict: int) -> None:
        stops = self.profile.early_stops
        if stops is None or call.request.is_held or call.draws.stop_chance >= stops.per_call:
            return
        share = stops.least_share + (stops.most_share - stops.least_share) * call.draws.stop_place
        call.n_tokens, call.done_reason = max(1, round(share * num_predict)), "stop"

    def _finish_prefill(self, call: Call) -> None:
        call.prompt_eval_ns = self.now_ns - call.phase_since_ns
        call.work = None
        prefill = self.profile.prefill
        eps_ms = prefill.eps_first_ms if call.request.is_first else prefill.eps_following_ms
        call.phase, call.phase_since_ns = Phase.EPS, self.now_ns
        call.timer_ns = self.now_ns + round(eps_ms * NS_PER_MS)

    def _start_decode(self, call: Call) -> None:
        call.phase, call.phase_since_ns = Phase.DECODE, self.now_ns
        call.first_token_ns = self.now_ns
        draws = call.draws
        call.work = SharedWork(call.n_tokens, draws.token_work_ns, draws.token_overhead_ns)

    def _finish_decode(self, call: Call) -> None:
        call.emit_until(self.now_ns)
        call.eval_ns = call.work.gpu_ns if call.work else 0
        # A repetition is cut by the server's guard, which forgets the final record (fault 12).
        is_silent = call.done_reason == "stop" and call.draws.is_repetition
        self._end_and_release(call, Ending.SILENT if is_silent else Ending.FINAL)

    def _end_and_release(self, call: Call, ending: Ending) -> None:
        self._end(call, ending)
        self._release(self._runner(call.request.server, call.request.model), call)

    def _end(self, call: Call, ending: Ending) -> None:
        call.phase, call.work, call.ending = Phase.ENDED, None, ending
        call.ended_ns = self.now_ns
        if call in self._live:
            self._live.remove(call)

    def _release(self, runner: Runner, call: Call) -> None:
        runner.current.remove(call)
        runner.loading = None
        self._fill(runner)
        if not runner.current and runner.resident:
            keep_alive_ns = 0 if runner.is_unload_asked else runner.resident.keep_alive_ns
            runner.resident.expires_ns = self.now_ns + keep_alive_ns

    @property
    def _default_keep_alive_ns(self) -> int:
        return round(self.profile.loading.keep_alive_s * _NS_PER_S)


def _context_refusal(n_prompt_tokens: int, num_ctx: int) -> str:
    # Ollama passes llama-server's JSON on as the text of its own error.
    return (
        '{"error":{"code":400,"message":"the request exceeds the available context size, try '
        'increasing it","type":"exceed_context_size_error",'
        f'"n_prompt_tokens":{n_prompt_tokens},"n_ctx":{num_ctx}}}}}'
    )
