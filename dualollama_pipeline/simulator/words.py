"""The words that a simulated model answers with: ordinary, varied, and worthless.

Here: texts of tokens only. They are drawn from the call's own seed, and wide enough apart that no
detector of repetitions takes a sound answer for a bad one.
"""

import numpy as np

from dualollama_pipeline.simulator.draws import Draws

_WORDS = """
a about above across after again against all almost along already also although always among an
analysis and another any appear are area around as ask at available average away back balance
base because become before begin behind below best better between beyond both bring build but by
call can capacity case cause center certain change choose clear close cold collect column common
compare complete concurrent condition consider contain context continue control cost could count
course cover current data day decide decode deep degree delay depend describe detail differ
direct distance do does done down draw drive during each early effect efficiency either element
else end energy engine enough equal error even event every evidence example expect explain face
fact factor fall far fast few figure file find first fit follow for force form found from full
further gain gap general give go good graph great group grow half hand happen hard have heat
here high hold hour how however idea if impact in include increase inside instead interval into
is it item join just keep kind know large last late later layer lead learn least leave length
less level light like limit line list little load local long loss low machine main make many
margin mark matter may mean measure median memory method might minute model more most move much
must name narrow near need never new next night no noise normal not note nothing now number
observe occur of off often on once one only open order other out over own pace page pair
parallel part pass pattern peak per phase place plan point possible power present process prompt
proof quality quarter question queue quick quite random range rate rather reach read reason
record reduce region remain repeat report request rest result return right rise role run same
sample say scale second see seem send sense server set several shape share short should show
side signal simple since single size slow small so solve some soon source space speed spread
stable stage stand start state step still store stream strong study such sum support sure system
table take task tell ten term test than that the their then there these they thing this though
three through throughput time to together token too total toward trade trend trial true try turn
two under unit until up upon use usual value variance very view wait wall warm was watch way
weak week well were what when where whether which while whole why wide will with within without
word work would write year yet zero
"""
_VOCABULARY = [f" {word}" for word in _WORDS.split()]
_LOOP = [" the", " same", " line", " again", "."]


def answer_texts(draws: Draws, n_tokens: int) -> list[str]:
    """Text of each token; safe inside a JSON string as it stands."""
    if draws.is_runaway or draws.is_repetition:
        return (_LOOP * (n_tokens // len(_LOOP) + 1))[:n_tokens]
    picks = np.random.default_rng(draws.text_seed).integers(len(_VOCABULARY), size=n_tokens)
    return [_VOCABULARY[pick] for pick in picks.tolist()]
