"""What a process uses: CPU time, instructions, memory; and the arithmetic.

Used by hello.py and reload.py. Owns nothing: every function looks at a
process by its id. CPU time is that of the scheduler, in nanoseconds, all
threads, user and system; never the ticks of /proc/PID/stat."""

import ctypes
import os
import re
import statistics
import subprocess
import time

_libc = ctypes.CDLL(None, use_errno=True)


class CpuClock:
    """The CPU time of one running process."""

    def __init__(self, pid):
        clock = ctypes.c_int()
        error = _libc.clock_getcpuclockid(ctypes.c_int(pid),
                                          ctypes.byref(clock))
        if error:
            raise OSError(error, os.strerror(error),
                          f"CPU clock of process {pid}")
        self._clock = clock.value

    def nanoseconds(self):
        return time.clock_gettime_ns(self._clock)


def perf_counts_instructions():
    """Can perf count instructions here? Virtual machines often cannot."""
    try:
        done = subprocess.run(
            ["perf", "stat", "-x,", "-e", "instructions:u", "true"],
            capture_output=True, text=True, check=False)
    except OSError:
        return False
    return done.returncode == 0 and _perf_count(done.stderr) is not None


def instructions_during(pid, command):
    """User instructions that pid executes while command runs."""
    done = subprocess.run(
        ["perf", "stat", "-x,", "-e", "instructions:u", "-p", str(pid), "--",
         *command], capture_output=True, text=True, check=True)
    count = _perf_count(done.stderr)
    if count is None:
        raise RuntimeError(f"perf counted nothing: {done.stderr.strip()}")
    return count


def _perf_count(text):
    match = re.search(r"^(\d+),[^,]*,instructions", text, re.MULTILINE)
    return int(match.group(1)) if match else None


def memory(pid):
    """{"Rss": kB, "Pss": kB, "Private_Dirty": kB, ...} of a process."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return {match.group(1): int(match.group(2)) for match in
                re.finditer(r"^(\w+):\s+(\d+) kB$", file.read(),
                            re.MULTILINE)}


def pin(pid, cpus):
    """Run all threads of a process on these CPUs only."""
    for thread in os.listdir(f"/proc/{pid}/task"):
        os.sched_setaffinity(int(thread), cpus)


def percentile(values, percent):
    ordered = sorted(values)
    at = (len(ordered) - 1) * percent / 100
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (at - low)


def spread(values):
    """Half the distance between the quartiles, as part of the median."""
    middle = statistics.median(values)
    return (percentile(values, 75) - percentile(values, 25)) / 2 / middle
