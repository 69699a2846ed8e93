"""What is timed: each work gives rows of the table."""
import csv
import shutil

from . import bills, peer
from .process import run
from .project import Project, source
from .table import Result

#: The table whose row a changed factor is added to.
FACTOR_TABLE = "pue"
#: A region that no made-up bill names, and one that all of them name.
UNUSED_REGION, USED_REGION = "af-south-1", "us-east-1"


class Bench:
    """What the works share: bills are made once."""

    def __init__(self, options, root):
        self.options, self.root = options, root
        self.shared = root.parent / "shared" / "bench"

    def tree(self, kind, rows=None, months=None):
        rows, months = rows or self.options.rows, months or self.options.months
        folder = self.options.work / f"bills-{kind}-{rows}-{months}"
        if not folder.exists():
            made = folder.with_suffix(".part")
            shutil.rmtree(made, ignore_errors=True)
            bills.cur(self.shared, made, rows, months, kind)
            made.rename(folder)
        return folder

    def project(self, name, *sources):
        return Project(self.options.work / name, self.options.program, self.options.threads, sources)

    def cur2(self, name, tree):
        return self.project(name, source("cur2", "aws_cur2", tree / "cur2"))

    def landed(self, name, tree):
        """A project with the tree's bills in its raw table and nothing built, saved as `landed`."""
        project = self.cur2(name, tree)
        project.run("run", "--select", "raw.*")
        project.save("landed")
        return project

    def peer(self, what, tree):
        return lambda: peer.measure(self.shared, what, tree, self.options.work, self.options.threads)

    def timed(self, result, prepare, act, beside=None):
        """Times the program in turn with its peer, which begins and ends."""
        for _ in range(self.options.runs):
            if beside:
                result.peer.append(beside())
            prepare()
            result.ours.append(act())
        if beside:
            result.peer.append(beside())
        return result


def publish(bench):
    """Landed bills to published tables, the whole process, beside DuckDB's daily GROUP BY alone."""
    tree = bench.tree("parquet")
    project = bench.landed("publish", tree)
    result = Result("raw → published", beside="DuckDB, the GROUP BY alone", target=1.0)
    yield bench.timed(result, lambda: project.restore("landed"), lambda: project.run("run"), bench.peer("rollup", tree))


def rollup(bench):
    """The rollup alone beside the same GROUP BY."""
    tree = bench.tree("parquet")
    project = bench.landed("rollup", tree)
    result = Result("raw → rollup", beside="DuckDB, the GROUP BY", target=0.5)
    act = lambda: project.run("run", "--select", "rollup.*")  # noqa: E731
    yield bench.timed(result, lambda: project.restore("landed"), act, bench.peer("rollup", tree))


def land_csv(bench):
    """Landing csv.gz beside DuckDB's read_csv to zstd Parquet, and beside cp."""
    tree = bench.tree("csv")
    project = bench.project("land-csv", source("cur", "aws_cur", tree / "cur"))
    yield from _land(bench, project, tree, "cur", "landing csv.gz", "land", 0.8)


def land_parquet(bench):
    """Landing Parquet beside DuckDB's rewriting of the same files, and beside cp."""
    tree = bench.tree("parquet")
    yield from _land(bench, bench.cur2("land-parquet", tree), tree, "cur2", "landing Parquet", "land-parquet", 0.7)


def _land(bench, project, tree, folder, name, what, target):
    act = lambda: project.run("run", "--select", "raw.*")  # noqa: E731
    result = Result(name, beside="DuckDB, to zstd Parquet", target=target)
    yield bench.timed(result, project.empty, act, bench.peer(what, tree))
    copies = bench.options.work / "copies"

    def copy():
        shutil.rmtree(copies, ignore_errors=True)
        took, _ = run(["cp", "-r", tree / folder, copies])
        return took

    copied = Result(name, ours=result.ours, beside="cp of the same files", target=3.0 if what == "land-parquet" else None)
    copied.peer = [copy() for _ in range(bench.options.runs)]
    shutil.rmtree(copies, ignore_errors=True)
    yield copied


def scale(bench):
    """Ten times the rows against a tenth, landed to published."""
    projects = [
        bench.landed(f"scale-{rows}", bench.tree("parquet", rows))
        for rows in (bench.options.rows // 10, bench.options.rows)
    ]
    acts = []
    for project in projects:
        acts.append(lambda project=project: (project.restore("landed"), project.run("run"))[1])
    result = Result("10 × the rows", beside="a tenth of them", target=10.5)
    yield bench.timed(result, lambda: None, acts[1], acts[0])


def factor(bench):
    """The run behind one changed factor with 24 months landed; the full build of them for comparison."""
    project = bench.landed("factor", bench.tree("parquet", months=24))
    reference = bench.root / "warehouse" / "reference" / f"{FACTOR_TABLE}.csv"
    with open(reference, newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["provider"] == "aws" and row["match_kind"] == "exact"]
        rows.sort(key=lambda row: row["year"], reverse=True)
    full = project.run("run")

    def changed(result, region):
        # The newest year counts for these bills.
        row = next(row for row in rows if row["region"] == region)
        for number in range(bench.options.runs):
            own = {**row, "factor_id": f"own/{region}", "pue_ratio": f"{row['pue_ratio']}{number + 1}"}
            with open(project.folder / "overlay" / f"{FACTOR_TABLE}.csv", "w", newline="") as file:
                writer = csv.DictWriter(file, list(row))
                writer.writeheader()
                writer.writerow(own)
            result.ours.append(project.run("run"))
        return result

    yield changed(Result("a changed factor that no line uses", target=3.0), UNUSED_REGION)
    yield changed(Result("a changed factor of a region in every month", target=3.0), USED_REGION)
    yield Result("the full build of these 24 months", [full])


def restated(bench):
    """One restated month out of 24, beside the full build of them."""
    tree = bench.tree("parquet", months=24)
    delivered = bench.options.work / "restated-bills"
    shutil.rmtree(delivered, ignore_errors=True)
    shutil.copytree(tree, delivered)
    project = bench.cur2("restated", delivered)
    full = project.run("run")
    ours = []
    for number in range(bench.options.runs):
        again = bench.options.work / "restated-month"
        shutil.rmtree(again, ignore_errors=True)
        bills.cur(bench.shared, again, bench.options.rows // 24, 1, "parquet", first="2027-01", seed=100 + number)
        shutil.copytree(again, delivered, dirs_exist_ok=True)
        ours.append(project.run("run"))
    yield Result("one restated month of 24", ours, [full], "the full build", 0.05)


def nothing(bench):
    """A run with nothing new: 24 months of 5 sources, small bills."""
    folder = bench.options.work / "nothing-bills"
    shutil.rmtree(folder, ignore_errors=True)
    sources = []
    for number in range(5):
        bills.focus(folder / str(number), f"billing-{number}", "2024-01", 24, 50)
        sources.append(source(f"source-{number}", "focus", folder / str(number)))
    project = bench.project("nothing", *sources)
    project.run("run")
    result = Result("nothing new, 24 months × 5 sources", target=0.5)
    yield bench.timed(result, lambda: None, lambda: project.run("run"))


ALL = {
    "publish": publish,
    "rollup": rollup,
    "land-csv": land_csv,
    "land-parquet": land_parquet,
    "scale": scale,
    "factor": factor,
    "restated": restated,
    "nothing": nothing,
}
