"""The trap: a changed profile under an old identity, and a typing error that nobody notices."""

import json

import pytest
from pydantic import ValidationError

from dualollama_pipeline.simulator.profile import PROFILE_FOLDER, Profile


def test_fingerprint_follows_every_number(standard: Profile):
    assert standard.fingerprint == Profile.load("standard").fingerprint
    reseeded = standard.model_copy(update={"seed": 1})
    assert (
        len({standard.fingerprint, reseeded.fingerprint, Profile.load("parity").fingerprint}) == 3
    )


def test_parity_differs_by_its_accidents_only(standard: Profile):
    parity = Profile.load("parity").model_dump()
    assert parity["accidents"]["runaway_per_following_call"] == pytest.approx(1 / 270)
    assert parity["accidents"]["repetition_per_following_call"] == pytest.approx(1 / 270)
    plain = standard.model_dump()
    assert {k for k in plain if plain[k] != parity[k]} == {"name", "accidents"}


def test_noise_free_has_no_spread_left(standard: Profile):
    text = json.dumps(Profile.load("parity").noise_free().model_dump())
    fields = json.loads(text.replace(" ", ""))
    assert fields["loading"]["reload_one_ms"] == {"mean": 4363.0, "sd": 0.0}
    assert fields["loading"]["warm_first_ms"] == {"ln_mu": 5.506, "ln_sigma": 0.0}
    assert fields["decode"]["work_ln_sigma"] == 0.0
    assert fields["accidents"]["runaway_per_following_call"] == 0.0
    assert fields["gpu"] == standard.model_dump()["gpu"]


def test_unknown_key_is_refused(tmp_path):
    fields = json.loads((PROFILE_FOLDER / "standard.json").read_text())
    fields["gpu"]["pair_shares"] = 0.5
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(fields))
    with pytest.raises(ValidationError, match="pair_shares"):
        Profile.load(path)


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match="parity, standard"):
        Profile.load("standart")
