"""Writes the readable run names of a sweep before it trains."""

from pathlib import Path

from seqsweep.results.run_names import readable_names
from seqsweep.runs.eventfiles import write_names
from seqsweep.runs.ledger import read_run
from seqsweep.runs.run_folder import RunFolder
from seqsweep.runs.sweepfile import SweepFile


def name_runs(folder: Path) -> None:
    """Writes names.json into a sweep's folder and renames runs that have another name.

    Raises:
        ValueError, OSError: a config cannot be read, or the names cannot be written.
    """
    sweep = SweepFile.read(folder)
    assert sweep is not None, "the sweep writes its own file first"
    configs = dict(sweep.configs)
    # Earlier sweeps of this folder may have trained other runs.
    for path in sorted(folder.glob("*/config.yaml")):
        if path.parent.name not in configs:
            configs[path.parent.name] = read_run(RunFolder(path.parent)).config
    write_names(folder, readable_names(configs))
