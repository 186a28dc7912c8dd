"""Hydra's flags among the overrides."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqsweep.config.from_overrides import flags_first


@given(st.data())
def test_flags_may_stand_anywhere(data):
    """The flags and the overrides each keep their order."""
    flags = [["-m"], ["--config-dir", "mine"], ["--cfg=job"]]
    overrides = [["seed=0,1"], ["model=rnn"], ["~scheduler"]]
    words = [word for part in overrides for word in part]
    given_first = flags_first([word for part in (*flags, *overrides) for word in part], "train")
    assert given_first == ["-m", "--config-dir", "mine", "--cfg=job", *words]
    places = data.draw(st.permutations([0, 0, 0, 1, 1, 1]))
    queues = (iter(flags), iter(overrides))
    mixed = [word for place in places for word in next(queues[place])]
    assert flags_first(mixed, "train") == given_first


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--multirn seed=0,1", "--multirn: no such option of seqsweep train; did you mean '--mul"),
        ("--cfg jbo", "argument --cfg/-c: invalid choice: 'jbo' (choose from "),
        ("--cfg", "argument --cfg/-c: expected one argument"),
        ("--config-dir", "argument --config-dir/-cd: expected one argument"),
        ("-m=3", "argument --multirun/-m: ignored explicit argument"),
        ("-cp x", "-cp: the folder of the configs is fixed"),
        ("--experimental-rerun x", "--experimental-rerun: loads a pickle"),
        ("=", "'=': must be KEY=VALUE"),
    ],
)
def test_a_wrong_flag_is_refused(arguments, message):
    with pytest.raises(ValueError, match=r".") as refused:
        flags_first(arguments.split(), "train", ["--members"])
    assert str(refused.value).startswith(message)


def test_a_flag_with_an_optional_value_takes_the_next_word():
    assert flags_first(["a=1", "-i", "config", "b=1"], "train") == ["-i", "config", "a=1", "b=1"]
