"""What executors write for each other and for the driver: rows and times from their logs, bytes from their work folders."""
import os
import re
import threading
from dataclasses import dataclass

FINISHED = re.compile(r"Finished task : \[TID ([^/]+)/(\d+)\.\d+/(\d+)\.\d+\] in ([\d.]+)(ns|µs|ms|s)")
WROTE = re.compile(r"Task \[TID ([^/]+)/(\d+)\.\d+/\d+\.\d+\], execution statistics: Ok\((.*)\)$")
ROWS = re.compile(r"num_rows: (\d+)")
SECONDS = {"ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "s": 1}
#: Executors drop what lies between stages as soon as a query is answered.
LOOK_EVERY_SECONDS = 0.03


@dataclass
class Stage:
    """One stage of one query. The last one of a query writes for the driver, the others for the next stage."""

    query: str
    number: int
    last: bool = False
    tasks: int = 0
    #: The time of all its tasks, waiting included.
    task_seconds: float = 0.0
    rows: int = 0
    bytes: int = 0


class Watch:
    """Looks at a cluster's work folders and logs from `with` to its end; `stages` then holds what was done."""

    def __init__(self, cluster):
        self.cluster, self.stages = cluster, []
        self._sizes, self._ended = {}, threading.Event()

    def __enter__(self):
        self._log_starts = [node.log.stat().st_size for node in self.cluster.executors]
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()
        self._read_logs()

    def _look(self):
        while not self._ended.wait(LOOK_EVERY_SECONDS):
            for folder in self.cluster.work_folders:
                self._measure(folder, folder)

    def _measure(self, root, folder):
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir():
                        self._measure(root, entry.path)
                    else:
                        size = entry.stat().st_size
                        self._sizes[entry.path] = max(size, self._sizes.get(entry.path, 0))
        except FileNotFoundError:
            return  # deleted meanwhile

    def _read_logs(self):
        stages = {}
        for node, start in zip(self.cluster.executors, self._log_starts):
            with open(node.log, "rb") as log:
                log.seek(start)
                text = log.read().decode(errors="replace")
            for line in text.splitlines():
                if found := FINISHED.search(line):
                    query, number, _, elapsed, unit = found.groups()
                    stage = stages.setdefault((query, int(number)), Stage(query, int(number)))
                    stage.tasks += 1
                    stage.task_seconds += float(elapsed) * SECONDS[unit]
                elif found := WROTE.search(line):
                    query, number, partitions = found.groups()
                    stage = stages.setdefault((query, int(number)), Stage(query, int(number)))
                    stage.rows += sum(map(int, ROWS.findall(partitions)))
        for path, size in self._sizes.items():
            for folder in self.cluster.work_folders:
                parts = os.path.relpath(path, folder).split(os.sep)
                if len(parts) > 2 and parts[1].isdigit() and (stage := stages.get((parts[0], int(parts[1])))):
                    stage.bytes += size
        last = {}
        for query, number in stages:
            last[query] = max(number, last.get(query, 0))
        for (query, number), stage in stages.items():
            stage.last = number == last[query]
        self.stages = list(stages.values())
