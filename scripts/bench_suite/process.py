"""Runs a program to its end and tells what it took."""
import os
import subprocess
import sys
import time
from dataclasses import dataclass


@dataclass
class Took:
    """Wall seconds, the most memory the process held at once, and the seconds of all its cores."""

    seconds: float
    peak_mib: float
    cpu_seconds: float | None = None


def run(command, folder=None, environment=None):
    """Runs a command: what it took and what it said. A failure ends the benchmark with it."""
    command = [str(part) for part in command]
    started = time.perf_counter()
    with subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        said = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}:\n{said}")
    # Linux counts kibibytes, macOS bytes.
    scale = 2**20 if sys.platform == "darwin" else 2**10
    return Took(seconds, usage.ru_maxrss / scale, usage.ru_utime + usage.ru_stime), said
