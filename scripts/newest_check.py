"""Trains with the newest version of each dependency that pip finds.

    python scripts/newest_check.py

The environment in .venv-newest has the package's dependencies and those of EXTRAS, of Lightning,
Hydra and OmegaConf also prereleases. All other packages are those of the Python that runs this
program. The bundled digits must give the numbers that README shows, a run must be reproduced to the
bit, the notebook's three trainings must have equal losses, our cells must give the programs of the
package, an ONNX file must agree with its network, and a search must end.
"""

import re
import sys
import tempfile
from pathlib import Path

from floors import read_requirements
from hydra_check import CHECKOUT, check_modules, make_environment, run

FOLDER = CHECKOUT / ".venv-newest"
EXTRAS = ("baselines", "pandas", "export", "sklearn", "search")
DIGITS = ("train", "data=digits", "model.cell=gru", "model.hidden_size=32")
SEARCH = (
    "train", "-m", "data=digits", "hydra/sweeper=optuna", "hydra.sweeper.budget.trials=4",
    "hydra.sweeper.confirm.top=0", "model.hidden_size=int(interval(4,16))",
    "trainer.max_epochs=3", "sweep.name=search",
)  # fmt: skip


def main() -> None:
    # pip takes a prerelease only where the requirement itself names one.
    bounds = {r.name: str(r) for r in read_requirements(*EXTRAS)}
    early = (f"{bounds[name]},>=0.dev0" for name in ("lightning", "hydra-core", "omegaconf"))
    python = make_environment(FOLDER, *bounds.values(), *early)
    check_modules(python, FOLDER, "torch", "lightning", "hydra", "omegaconf", "optuna", "numpy")
    with tempfile.TemporaryDirectory() as temporary:
        check(python, Path(temporary))
    run(CHECKOUT, python, CHECKOUT / "scripts" / "notebook_parity.py")
    run(CHECKOUT, python, CHECKOUT / "scripts" / "programs.py", "--check")
    print("the newest packages work")


def check(python: Path, folder: Path) -> None:
    """Exits unless the commands print what README and the documents promise."""
    seqsweep = (python, "-m", "seqsweep")
    readme = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    line = re.search(rf"^\$ seqsweep {' '.join(DIGITS)}.*\n(.*)\n", readme, re.MULTILINE)
    printed = run(folder, *seqsweep, *DIGITS)
    if line is None or line[1] not in printed:
        sys.exit(f"the digits: expected {line and line[1]}\ngot {printed}")
    (trained,) = folder.glob("outputs/runs/default/*/record.json")
    for arguments, expected in (
        (("reproduce", trained.parent), "identical"),
        (("export", trained.parent, "--out", "net.onnx"), "net.onnx"),
        (SEARCH, "search: 4 trials, 4 complete"),
    ):
        printed = run(folder, *seqsweep, *arguments)
        if expected not in printed:
            sys.exit(f"{arguments[0]}: expected {expected!r}, got\n{printed}")


if __name__ == "__main__":
    main()
