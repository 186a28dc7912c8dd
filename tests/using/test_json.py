"""`--json` prints what docs/schema.json says, and nothing else; errors stay on stderr."""

import json
import math
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from made_sweeps import id_of, sweep_of

SCHEMA: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "docs" / "schema.json").read_text(encoding="utf-8")
)


def leaves(value: Any):
    if isinstance(value, (dict, list)):
        for each in value.values() if isinstance(value, dict) else value:
            yield from leaves(each)
    else:
        yield value


def checked(name: str, text: str) -> Any:
    """Returns the content of an answer that has the form of its schema, and no null."""
    content = json.loads(text)
    reference = {"$ref": f"#/$defs/{name}", "$defs": SCHEMA["$defs"]}
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.Draft202012Validator(reference).validate(content)
    assert None not in list(leaves(content))
    return content


@pytest.fixture
def answer(command):
    def ask(*words: Any, name: str = "") -> Any:
        done = command(*words, "--json")
        assert done.code == 0, done.err
        return checked(name or str(words[0]), done.out)

    return ask


@pytest.fixture
def compared(tmp_path):
    """A function that writes two sweeps of two configs; `h=2` is better, and `other` still more."""

    def write(seeds: int) -> tuple[Path, Path]:
        def metrics(config: dict[str, Any]) -> dict[str, float]:
            score = 0.5 + 0.1 * config["h"] + 0.01 * math.sin(7 * config["seed"] + config["h"])
            return {"val/acc": score, "test/acc": score + config["gain"]}

        for name, gain in (("first", 0.0), ("other", 0.05)):
            sweep_of(tmp_path / name, {"h": (1, 2), "gain": [gain]}, seeds, metrics)
        return tmp_path / "first", tmp_path / "other"

    return write


def test_the_winner_its_interval_and_the_verdict(answer, compared):
    folder, _ = compared(7)
    (board,) = answer("leaderboard", folder)["sets"]
    best, second = board["configs"]
    assert (best["keys"], best["verdict"]) == ({"h": 2}, "best")
    interval = best["metrics"]["test/acc"]
    assert interval["low"] < interval["mean"] < interval["high"]
    assert (second["significant"], second["verdict"]) == (True, "different")
    assert second["difference"]["high"] < 0 and second["adjusted"] < 0.05
    (board,) = answer("leaderboard", folder, "--top", "1")["sets"]
    assert board["configs"] == [best]
    (block,) = answer("leaderboard", folder, "--by", "h")["by"]
    assert block["pairs"][0]["values"] == ["h=2", "h=1"] and block["unit"] == "seed"


def test_what_one_seed_leaves_unknown_is_absent(answer, compared):
    folder, other = compared(1)
    (content,) = answer("leaderboard", folder)["sets"]
    second = content["configs"][1]
    assert second["verdict"] == "undecided"
    assert "significant" not in second and "low" not in second["difference"]
    assert content["replicates"] == {"have": 1, "least": 6}
    content = answer("compare", folder, other)
    overall, (pair,) = content["overall"]["other"], content["by"][0]["pairs"]
    assert overall.keys() == {"interval"} and overall["interval"]["n"] == 1
    assert pair["verdict"] == "undecided" and "p" not in pair


def test_two_sweeps_or_two_runs_are_compared(answer, compared):
    folders = compared(7)
    content = answer("compare", *folders)
    overall = content["overall"]["other"]
    assert overall["significant"] and overall["interval"]["mean"] == pytest.approx(0.05)
    assert [config["keys"] for config in content["configs"]] == [{"h": 1}, {"h": 2}]
    ((pair,), by) = content["by"][0]["pairs"], content["by"][0]
    assert (by["key"], by["unit"], by["notes"]) == ("sweep", "seed", ["gain changes with sweep"])
    assert (pair["values"], pair["verdict"]) == (["other", "first"], "different")
    assert (pair["p"], pair["difference"]) == (overall["p"], overall["interval"])
    runs = [folder / id_of(0) for folder in folders]
    (only,) = answer("compare", *runs)["overall"].values()
    assert only["interval"]["mean"] == pytest.approx(0.05)


@pytest.mark.slow
def test_status_plan_data_and_installation_are_described(answer, trained):
    content = answer("status", trained.sweep)
    assert content["states"] == {"complete": 4} and len(content["runs"]) == 4
    assert all(run["metrics"]["test/acc"] >= 0 for run in content["runs"])
    (folder,) = answer("status", trained.folder / "outputs")["folders"]
    assert folder["bytes"] > 0
    content = answer("plan", "data=digits", "model.hidden_size=4,8", "seed=0,1")
    assert (content["done"], content["to_train"]) == (0, 4)
    assert content["cost"].keys() == {"seconds"} and content["cost"]["seconds"] > 0
    assert {(run["state"], run["trains"]) for run in content["runs"]} == {("not started", True)}
    assert answer("data", "info", "digits", name="data info")["command"].endswith("data=digits")
    assert answer("--version")["cores"] >= 1


TRAIN = ("data=digits", "trainer.max_epochs=2", "model.hidden_size=4", "diagnostics=false")


@pytest.mark.slow
def test_a_training_prints_its_result_and_nothing_else(answer, command, composes_once):
    content = answer("train", *TRAIN)
    record = json.loads(Path(content["folder"], "record.json").read_text())
    assert content["metrics"] == record["metrics"]
    assert (content["run_id"], content["epochs"]) == (record["run_id"], 2)
    assert (content["state"], content["monitor"]) == ("complete", "val/acc")
    assert answer("train", *TRAIN) == content  # the run is complete already
    diverges = ("optimizer=sgd", "optimizer.lr=1000", "model.nonlinearity=relu")
    done = command("train", "--json", *TRAIN, *diverges, "trainer.gradient_clip_val=null")
    content = checked("train", done.out)
    assert (done.code, content["state"]) == (1, "diverged") and content["error"] in done.err


@pytest.mark.slow
@pytest.mark.parametrize(
    "more",
    [
        ("seed=0,1",),
        ("seed=0,1", "--plan-only"),
        ("optimizer.lr=interval(0.01,0.1)", "hydra/sweeper=halving", "hydra.sweeper.population=2",
         "hydra.sweeper.rungs=[1,2]", "hydra.sweeper.confirm.top=0"),
    ],
    ids=["grid", "plan", "search"],
)  # fmt: skip
def test_a_sweep_prints_what_the_leaderboard_says_about_it(answer, more, composes_once):
    options = [word for word in TRAIN if "epochs" not in word or "halving" not in str(more)]
    content = answer("train", "-m", *options, *more, "sweep.report=false", "sweep.name=mine")
    folder = Path(content.pop("folder"))
    assert content["states"].get("complete", 0) + content["not_started"] in (1, 2)
    assert ("--plan-only" in more) == (content["answer"]["verdict"] == "none")
    assert "--plan-only" in more or content == answer("leaderboard", folder)


def test_predictions_are_in_the_answer_or_in_a_file(answer, command, trained, new_data, tmp_path):
    content = answer("predict", trained.run, new_data)
    assert len(content["predictions"]) == content["sequences"]
    rows = command("predict", trained.run, new_data, "--format", "jsonl").out.splitlines()
    assert content["predictions"] == list(map(json.loads, rows))
    assert len(answer("predict", trained.sweep, new_data, "--ensemble")["members"]) == 2
    written = answer("predict", trained.run, new_data, "--out", "p.csv")
    assert written.pop("out") == "p.csv" and (tmp_path / "p.csv").is_file()
    assert written == {key: content[key] for key in written}


@pytest.mark.slow
def test_scores_are_the_answer_and_in_a_file(answer, trained, tmp_path):
    content = answer("evaluate", trained.run, "--resamples", "20", "--out", "scores.json")
    written = json.loads((tmp_path / "scores.json").read_text())
    assert content["metrics"].keys() == written["metrics"].keys() > {"accuracy", "log_loss"}
    assert content["metrics"]["accuracy"] == written["metrics"]["accuracy"]
    together = answer("evaluate", trained.sweep, "--ensemble", "--resamples", "0")
    assert together["mean_of_seeds"]["n"] == len(together["members"]) == 2
    parts = answer("evaluate", trained.sweep, "--importance", name="evaluate --importance")
    assert [part["loss"]["n"] for part in parts["channels"] + parts["spans"]] == [2] * 11
    plain = answer("evaluate", "--json", trained.run, "--resamples", "0")
    assert plain["metrics"]["macro_f1"] == {"value": content["metrics"]["macro_f1"]["value"]}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["plan", "hydra/sweeper=optuna"], "--json: a search chooses its runs while it trains"),
        (["train", "data=digits", "lr=1"], "did you mean: seqsweep train data=digits optimizer.lr"),
        (["train", "-m", "model.hidden_size=0,1"], "model.hidden_size=0: must be at least 1"),
        (["train", "--cfg", "job"], "--cfg: trains nothing, so --json must be left out"),
    ],
)
def test_an_error_goes_to_stderr_with_code_2(command, words, message):
    done = command(*words, "--json")
    assert (done.code, done.out) == (2, "")
    assert message in done.err and done.err.count("\n") == 1
