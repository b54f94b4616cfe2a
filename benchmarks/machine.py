"""What a benchmark asks of the machine it runs on: processor, memory and time of a process."""

import math
import time
from pathlib import Path


def cpu_model() -> str:
    """The name of the processor."""
    return next(
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    )


def cpu_of(pid: int) -> float:
    """Seconds of CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def rss_mib(pid: int | str = "self") -> float:
    """Resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"/proc/{pid}/status has no VmRSS")


def reference_s() -> float:
    """CPU seconds that a fixed piece of work takes now: a busy machine takes longer for all."""
    begun = time.process_time()
    counts: dict[int, float] = {}
    for number in range(200_000):
        counts[number % 997] = math.exp(-number % 7) + counts.get(number % 991, 0.0) / 2
    return time.process_time() - begun
