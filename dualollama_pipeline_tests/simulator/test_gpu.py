"""The trap: sharing that loses or invents work when the number of streams changes in mid-token."""

import pytest

from dualollama_pipeline.simulator.gpu import SharedWork, rate_per_stream
from dualollama_pipeline.simulator.profile import Profile

MS = 1_000_000


@pytest.mark.parametrize(
    ("n_active", "rate"), [(0, 1.0), (1, 1.0), (2, 0.3815), (3, 0.763 / 3), (6, 0.763 / 6)]
)
def test_rate_of_each_stream(standard: Profile, n_active: int, rate: float):
    assert rate_per_stream(n_active, standard.gpu) == rate


def test_fraction_of_a_unit_carries_over():
    """Starting the unit again, or dropping its rest, would shift every later token."""
    work = SharedWork(n_units=4, work_ns=10 * MS)
    work.set_rate(0, 1.0)
    # 15 ms alone = 1.5 units; the other 2.5 units take 25 ms each at rate 0.4: 62.5 ms.
    work.set_rate(15 * MS, 0.4)
    assert work.end_ns == 15 * MS + 62_500_000
    assert work.instants_until(0, work.end_ns)[2:] == [27_500_000, 52_500_000]


def test_gpu_time_leaves_the_overhead_out():
    """eval_duration must not hold what the client alone can see."""
    work = SharedWork(n_units=10, work_ns=10 * MS, overhead_ns=0.5 * MS)
    work.set_rate(0, 1.0)
    # 42 ms = 4 units of 10.5 ms: 40 ms of GPU. Then 6 units of 25 + 0.5 ms: 150 ms of GPU.
    work.set_rate(42 * MS, 0.4)
    assert work.end_ns == 42 * MS + 153 * MS
    assert work.gpu_ns == 190 * MS


def test_bulk_instants_equal_single_ones():
    """Two ways of rounding would make the stream depend on how it is cut into chunks."""
    work = SharedWork(n_units=5000, work_ns=9_259_259.3, overhead_ns=467_001.7)
    work.set_rate(123, 1.0)
    work.set_rate(77_777_777, 0.3815)
    first = 8
    bulk = work.instants_until(first, work.end_ns)
    assert bulk == [work.instant_ns(k) for k in range(first, 5000)]
    cut = bulk[100]
    assert work.instants_until(first, cut) == bulk[:101]
    assert work.instants_until(first, cut - 1) == bulk[:100]
