"""`python -m ...benchmarks.metered MODULE ARGUMENTS...`: run a module, say what it took (JSON).

A wrapper that imports next to nothing, because a child's peak memory begins with that of the
process it was forked from, and RUSAGE_CHILDREN is the largest of all children that ever were.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time

KIB_PER_MIB = 1024


def main() -> None:
    """Run the module and write how it ended, its wall time, CPU time and peak memory."""
    start_s = time.perf_counter()
    command = [sys.executable, "-m", *sys.argv[1:]]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    wall_s, used = time.perf_counter() - start_s, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s, peak_mib = used.ru_utime + used.ru_stime, used.ru_maxrss / KIB_PER_MIB  # Linux: KiB
    sys.stdout.write(
        f'{{"exit_code": {done.returncode}, "wall_s": {wall_s}, "cpu_s": {cpu_s}, '
        f'"peak_mib": {peak_mib}}}\n'
    )


if __name__ == "__main__":
    main()
