"""A project folder of the program, whose warehouse can be put back to an earlier state."""
import os
import shutil

from .process import run


def source(identifier, kind, url):
    return f'[[tenant.source]]\nid = "{identifier}"\nkind = "{kind}"\nurl = "file://{url}"\n'


class Project:
    def __init__(self, folder, program, threads, sources):
        self.folder, self.program = folder, program
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "overlay").mkdir(parents=True)
        (folder / "offgridflow.toml").write_text(
            '[warehouse]\nurl = "file://./data"\n[database]\nurl = "sqlite://./data/offgridflow.db"\n'
            f'[engine]\nthreads = {threads}\n[factors]\noverlay = "overlay"\n'
            '[[tenant]]\nid = "bench"\nname = "Bench"\nallocation_tags = ["team"]\n' + "".join(sources)
        )

    def run(self, *arguments, environment=None):
        """Runs the program in the folder and tells what it took."""
        took, _ = run(self.command(*arguments), self.folder, self.environment(environment))
        return took

    def command(self, *arguments):
        return [self.program, "--config", self.folder / "offgridflow.toml", "--quiet", *arguments]

    def environment(self, chosen=None):
        """Nothing of the caller's settings, and what is chosen."""
        return {**{name: "" for name in os.environ if name.startswith("OFFGRIDFLOW_")}, **(chosen or {})}

    def empty(self):
        shutil.rmtree(self.folder / "data", ignore_errors=True)

    def save(self, name):
        """Keeps the warehouse as it is."""
        shutil.copytree(self.folder / "data", self.folder / name, copy_function=_link_or_copy)

    def restore(self, name):
        self.empty()
        shutil.copytree(self.folder / name, self.folder / "data", copy_function=_link_or_copy)


def _link_or_copy(origin, target):
    # Data files never change once they are written; everything else may.
    if origin.endswith(".parquet"):
        os.link(origin, target)
    else:
        shutil.copy2(origin, target)
