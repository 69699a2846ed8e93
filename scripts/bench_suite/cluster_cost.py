"""What the main job costs on a cluster: processor seconds, memory and bytes of each process, schema by schema."""
from dataclasses import dataclass, field

from .cluster import Cluster
from .shuffle import Watch

#: The schemas that a cluster computes, in their order: each is a run of its own, behind landing.
SCHEMAS = ["rollup", "estimate", "publish"]


@dataclass
class Cost:
    """One schema, or landing, with so many executors; none: everything in one process."""

    lines: int
    executors: int
    part: str
    wall_seconds: float
    driver_cpu_seconds: float
    driver_peak_mib: float
    scheduler_cpu_seconds: float = 0.0
    scheduler_peak_mib: float = 0.0
    executors_cpu_seconds: float = 0.0
    largest_executor_peak_mib: float = 0.0
    executors_read_mib: float = 0.0
    stages: list = field(default_factory=list)

    def between_executors(self):
        return [stage for stage in self.stages if not stage.last]

    def to_driver(self):
        return [stage for stage in self.stages if stage.last]


def land(project, lines):
    """Lands the bills, which the driver does alone, and keeps the warehouse as it is then."""
    project.empty()
    took = project.run("run", "--select", "raw.*")
    project.save("landed")
    return Cost(lines, 0, "landing", took.seconds, took.cpu_seconds, took.peak_mib)


def alone(project, lines, schemas):
    """The main job on landed bills in one process."""
    project.restore("landed")
    for schema in schemas:
        took = project.run("run", "--select", f"{schema}.*")
        yield Cost(lines, 0, schema, took.seconds, took.cpu_seconds, took.peak_mib)


def on_cluster(project, lines, schemas, executors, tasks, memory):
    """The main job on landed bills on a cluster."""
    project.restore("landed")
    with Cluster(project, executors, tasks, memory) as cluster:
        environment = {"OFFGRIDFLOW_ENGINE_URL": cluster.url, "OFFGRIDFLOW_ENGINE_THREADS": str(executors * tasks)}
        for schema in schemas:
            yield _schema(project, lines, cluster, schema, environment)


def _schema(project, lines, cluster, schema, environment):
    nodes = [cluster.scheduler, *cluster.executors]
    for node in nodes:
        node.forget_peak()
    cpu_before = [node.cpu_seconds() for node in nodes]
    read_before = [node.read_mib() for node in cluster.executors]
    with Watch(cluster) as watch:
        took = project.run("run", "--select", f"{schema}.*", environment=environment)
    cpu = [node.cpu_seconds() - before for node, before in zip(nodes, cpu_before)]
    read = [node.read_mib() - before for node, before in zip(cluster.executors, read_before)]
    return Cost(
        lines, len(cluster.executors), schema, took.seconds, took.cpu_seconds, took.peak_mib,
        scheduler_cpu_seconds=cpu[0], scheduler_peak_mib=cluster.scheduler.peak_mib(), executors_cpu_seconds=sum(cpu[1:]),
        largest_executor_peak_mib=max(node.peak_mib() for node in cluster.executors), executors_read_mib=sum(read),
        stages=watch.stages,
    )
