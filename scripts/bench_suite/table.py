"""The results as a table for people."""
import os
import platform
import statistics
from dataclasses import dataclass, field


@dataclass
class Result:
    """One row: what was timed, beside what, and what is reached for."""

    work: str
    ours: list = field(default_factory=list)
    peer: list = field(default_factory=list)
    beside: str = ""
    #: The reach as a share of the peer's seconds, or in seconds where there is no peer.
    target: float | None = None

    def seconds(self):
        return statistics.median(took.seconds for took in self.ours) if self.ours else None

    def peer_seconds(self):
        return statistics.median(took.seconds for took in self.peer) if self.peer else None

    def ratio(self):
        return self.seconds() / self.peer_seconds() if self.ours and self.peer else None

    def peak_mib(self):
        return max((took.peak_mib for took in self.ours if took.peak_mib), default=None)

    def cells(self):
        number = lambda value, digits: "–" if value is None else f"{value:.{digits}f}"  # noqa: E731
        target = "–"
        if self.target is not None:
            target = f"≤ {self.target:g}" if self.peer else f"≤ {self.target:g} s"
        return [self.work, self.beside or "–", number(self.seconds(), 2), number(self.peer_seconds(), 2),
                number(self.ratio(), 3), target, number(self.peak_mib(), 0)]


def print_table(bench, results):
    options = bench.options
    header = ["work", "beside", "ours (s)", "peer (s)", "ratio", "target", "peak RSS (MiB)"]
    peaks = [peak for peak in (result.peak_mib() for result in results) if peak is not None]
    rows = [header, *(result.cells() for result in results)]
    if peaks:
        rows.append(["peak memory, the highest of all", "–", "–", "–", "–", "≤ 1024 MiB", f"{max(peaks):.0f}"])
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    line = lambda row: "| " + " | ".join(  # noqa: E731
        cell.ljust(width) if column < 2 else cell.rjust(width) for column, (cell, width) in enumerate(zip(row, widths))
    ) + " |"
    print(line(rows[0]))
    print("|" + "|".join("-" * (width + 2) for width in widths) + "|")
    for row in rows[1:]:
        print(line(row))
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"\n{options.rows:,} lines in {options.months} months, {options.threads} threads, medians of {options.runs} runs; "
          f"{platform.machine()}, {os.cpu_count()} cores, load at the end {load}")
