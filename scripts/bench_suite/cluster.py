"""A cluster of the program's own processes on loopback, and what each of them uses. Linux only: it reads /proc."""
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

#: Executors tell of every task how long it took and what it wrote.
EXECUTOR_LOG = "ballista_executor::executor_server=debug"
PATIENCE_SECONDS = 60
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


class Node:
    """A scheduler or an executor."""

    def __init__(self, project, name, port, arguments, environment=None):
        self.name, self.log = name, project.folder / f"{name}.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [str(part) for part in project.command("cluster", *arguments)],
                cwd=project.folder,
                env={**os.environ, "NO_COLOR": "1", **project.environment(environment)},
                stdout=subprocess.DEVNULL,
                stderr=log,
            )
        self._wait_until_it_listens(port)

    def _wait_until_it_listens(self, port):
        started = time.monotonic()
        while True:
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", port)) == 0:
                    return
            if self.process.poll() is not None or time.monotonic() - started > PATIENCE_SECONDS:
                sys.exit(f"{self.name} does not listen:\n{self.log.read_text()}")
            time.sleep(0.1)

    def _status(self, file):
        return Path(f"/proc/{self.process.pid}/{file}").read_text()

    def cpu_seconds(self):
        """User and system, since it started."""
        # The name of the command, in brackets, may hold anything.
        after_name = self._status("stat").rpartition(")")[2].split()
        return (int(after_name[11]) + int(after_name[12])) / CLOCK_TICKS

    def forget_peak(self):
        """From here on the peak is that of what comes."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def peak_mib(self):
        line = next(line for line in self._status("status").splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024

    def read_mib(self):
        """What it asked of files so far, from disk or from the system's cache."""
        line = next(line for line in self._status("io").splitlines() if line.startswith("rchar:"))
        return int(line.split()[1]) / 2**20

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Cluster:
    """One scheduler and some executors, each with a work folder and a memory limit of its own."""

    def __init__(self, project, executors, tasks, memory):
        self.work_folders = [project.folder / f"executor-{number}" for number in range(executors)]
        ports = _free_ports(1 + 2 * executors)
        self.url = f"ballista://127.0.0.1:{ports[0]}"
        self.scheduler = Node(project, "scheduler", ports[0], ["scheduler", "--port", ports[0]])
        self.executors = []
        for number, work_folder in enumerate(self.work_folders):
            port, grpc_port = ports[1 + 2 * number:3 + 2 * number]
            arguments = ["executor", "--scheduler", f"127.0.0.1:{ports[0]}", "--port", port, "--grpc-port", grpc_port,
                         "--memory", memory, "--concurrent-tasks", tasks, "--work-folder", work_folder]
            log = {"OFFGRIDFLOW_LOG": EXECUTOR_LOG}
            self.executors.append(Node(project, f"executor-{number}", port, arguments, log))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for node in [*self.executors, self.scheduler]:
            node.stop()
        for folder in self.work_folders:
            shutil.rmtree(folder, ignore_errors=True)


def _free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
