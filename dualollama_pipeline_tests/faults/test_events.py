"""Every fault of a stream of events ends as the failure it is, every oddity as the answer it is.

The trap is that of test_cases.py; the rules, the sockets and what HTTP alone can do are its own.
"""

from __future__ import annotations

import pytest

from dualollama_pipeline_tests.faults.events import event_faults, event_oddities
from dualollama_pipeline_tests.faults.test_cases import Played, check_answer, check_failure

FAULTS = Played(event_faults())
LEGAL = Played(event_oddities())


@pytest.mark.parametrize("fault", FAULTS.groups)
def test_a_fault_is_a_failure_with_its_kind_and_its_evidence(fault: str) -> None:
    """A stream without its usage, its reason or its mark becomes a data point otherwise."""
    FAULTS.check(fault, check_failure)


@pytest.mark.parametrize("oddity", LEGAL.groups)
def test_what_is_legal_but_odd_is_an_answer(oddity: str) -> None:
    """Servers ping, send roles, thoughts and zeros; none of it may cost a trial."""
    LEGAL.check(oddity, check_answer)


def test_the_promised_number_of_faults_is_played() -> None:
    """0 of N says `below 3/N`: a generator that yields nothing would promise anything."""
    assert len(FAULTS.cases) >= 700
    assert len(LEGAL.cases) >= 250
    assert len({case.name for case in FAULTS.cases}) == len(FAULTS.cases)
