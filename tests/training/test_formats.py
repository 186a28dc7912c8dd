"""Equal data as npz, ts, csv and parquet are equal to the bit."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from seqsweep.training.planned_run import plan
from seqsweep.training.run_data import data_of

COUNT = 40
PREPARED = ("data.batch_size=8", "data.missing=forward")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, ...]]:
    """The arguments that read each of the files, whose data are the same."""
    folder = tmp_path_factory.mktemp("formats")
    rng = np.random.default_rng(0)
    lengths = rng.integers(2, 9, COUNT)
    labels = np.array(["left", "right", "up"])[np.arange(COUNT) % 3]
    x = rng.normal(size=(COUNT, 8, 2)) * [1, 1e3] + [0, 1.7e9]  # float32 would round the second one
    x[rng.random(x.shape) < 0.05] = np.nan
    np.savez(folder / "my.npz", X=x, y=labels, lengths=lengths)
    sequences = [row[:length] for row, length in zip(x, lengths, strict=True)]
    (folder / "my.ts").write_text(_ts(sequences, labels))
    long = pd.DataFrame(
        {
            "case": np.repeat([f"c{n}" for n in range(COUNT)], lengths),
            "time": np.concatenate([np.arange(length) for length in lengths]),
            "class": np.repeat(labels, lengths),
            "channel_0": np.concatenate(sequences)[:, 0],
            "channel_1": np.concatenate(sequences)[:, 1],
        }
    )
    long.to_csv(folder / "my.csv", index=False)
    long.rename(columns={"case": "nr"}).to_csv(folder / "packed.csv.gz", index=False)
    long.to_parquet(folder / "my.parquet")
    wide = pd.DataFrame(x.reshape(COUNT, 16)).assign(n=lengths, label=labels)
    wide.to_csv(folder / "wide.csv", index=False)
    wide.rename(columns=str).to_parquet(folder / "wide.parquet")
    path = f"data.source.path={folder}"
    framed = ("data.source.length=n", "data.source.frame=2")
    return {
        "npz": ("data=npz", f"{path}/my.npz"),
        "ts": ("data=ts", f"{path}/my.ts"),
        "csv": ("data=csv", f"{path}/my.csv"),
        "gz": ("data=csv", f"{path}/packed.csv.gz", "data.source.id=nr"),
        "parquet": ("data=parquet", f"{path}/my.parquet"),
        "wide csv": ("data=csv", f"{path}/wide.csv", *framed),
        "wide parquet": ("data=parquet", f"{path}/wide.parquet", *framed),
    }  # fmt: skip


def _ts(sequences: list[Any], labels: Any) -> str:
    lines = ["@dimensions 2", "@classLabel true left right up", "@data"]
    for row, label in zip(sequences, labels, strict=True):
        channels = [",".join(map(repr, row[:, f].tolist())) for f in (0, 1)]
        lines.append(":".join([*channels, label]))
    return "\n".join(lines) + "\n"


def test_all_formats_have_one_fingerprint_and_all_tables_one_run_id(written, checked):
    planned = {name: plan(checked(*source, *PREPARED)) for name, source in written.items()}
    assert len({one.data_fingerprint for one in planned.values()}) == 1
    # What is prepared for the training is the same to the bit.
    trained = [data_of(one.config["data"]).prepared.train for one in planned.values()]
    assert all(np.array_equal(each.x, trained[0].x) for each in trained)
    # npz and ts are sources of their own, and the source is part of the identity.
    tables = {one.run_id for name, one in planned.items() if name not in ("npz", "ts")}
    assert len(tables) == 1
    assert len({one.run_id for one in planned.values()}) == 3
    other = plan(checked(*written["csv"], *PREPARED, "data.source.features=[channel_1,channel_0]"))
    assert other.run_id not in tables
