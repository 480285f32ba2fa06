"""Long tables that are handed over as they are, and tables that only look like them."""

import itertools
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn import datasets

from sklearn_rnn import ReservoirClassifier, RNNClassifier, Sequences, SequenceTagger
from sklearn_rnn.datasets import load_basic_motions, load_japanese_vowels
from sklearn_rnn.preprocessing import (
    SequenceImputer,
    SequenceResampler,
    SequenceScaler,
    SlidingWindows,
    ToSequences,
)
from sklearn_rnn.sequences import read_sequences
from sklearn_rnn.sequences._tables import long_table_advice


def long(n=12, length=15, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "machine": np.repeat(rng.permutation(n), length),
            "second": np.tile(np.arange(length), n),
            "temp": rng.normal(size=n * length),
        }
    )


LONG = long()
DATES = LONG.assign(second=pd.Timestamp("2026-01-01") + pd.to_timedelta(LONG["second"], unit="s"))
UNEVEN = LONG.groupby("machine", sort=False).sample(frac=0.6, random_state=0).sort_index()


@pytest.mark.parametrize(
    ("X", "advice"),
    [
        (LONG, "from_long(X, id='machine', time='second')"),
        (LONG.sample(frac=0.75, random_state=0), "from_long(X, id='machine', time='second')"),
        (LONG.sort_values("second", kind="stable"), "id='machine', time='second'"),
        (LONG[["second", "temp", "machine"]], "id='machine', time='second'"),
        (UNEVEN, "from_long(X, id='machine', time='second')"),
        (DATES, "from_long(X, id='machine', time='second')"),
        (LONG.assign(machine=[f"m{i}" for i in LONG["machine"]]), "id='machine', time='second'"),
        (LONG.assign(second=LONG["second"] * 0.1), "id='machine', time='second'"),
        (LONG.assign(second=np.sort(np.random.default_rng(0).random(180))), "id='machine')"),
        (LONG.drop(columns="second"), "from_long(X, id='machine')"),
        (
            LONG.drop(columns="second").rename(columns={"machine": "unit_id"}).sample(frac=0.8),
            "from_long(X, id='unit_id')",
        ),
        (pl.DataFrame(LONG.to_dict("list")), "from_long(X, id='machine', time='second')"),
        (pl.DataFrame(LONG.to_dict("list")).to_arrow(), "id='machine', time='second'"),
        (
            LONG.set_index(["machine", "second"]),
            "from_long(X.reset_index(), id='machine', time='second')",
        ),
        (LONG.set_index("machine"), "from_long(X.reset_index(), id='machine', time='second')"),
        (LONG.to_numpy(), "from_long(pandas.DataFrame(X), id=0, time=1)"),
        (UNEVEN.to_numpy(), "from_long(pandas.DataFrame(X), id=0, time=1)"),
        (pd.DataFrame(LONG.to_numpy()), "from_long(X, id=0, time=1)"),
        (long(4, 3), "from_long(X, id='machine', time='second')"),
        (long(3000, 2), "from_long(X, id='machine', time='second')"),
    ],
)
def test_long_tables_are_told(X, advice):
    assert advice in long_table_advice(X)


def honest():
    """Yield tables whose rows are samples: measured, counted, sorted, enumerated."""
    rng = np.random.default_rng(0)
    for name in ("iris", "wine", "breast_cancer", "diabetes", "digits", "linnerud"):
        bunch = getattr(datasets, f"load_{name}")(as_frame=True)
        label = bunch.frame.columns[-1]
        yield from (bunch.data, bunch.data.to_numpy(), bunch.frame.sort_values(label))
        yield bunch.frame.sort_values(list(bunch.frame.columns))
    X = datasets.make_classification(200, random_state=0)[0]
    yield from (X, pd.DataFrame(X), pd.DataFrame(X, columns=[f"t{k}" for k in range(20)]))
    yield pd.DataFrame(X, columns=pd.date_range("2026-01-01", periods=20))
    for n, k, high in itertools.product((12, 300), (3, 6), (2, 4, 30, 1000)):
        whole = rng.integers(0, high, (n, k))
        ordered = whole[np.lexsort(whole.T[::-1])]
        for table in (whole, ordered, np.unique(whole, axis=0), np.cumsum(whole, axis=1)):
            yield from (table, pd.DataFrame(table), pd.DataFrame(table, columns=list("abcdef")[:k]))
    for k in (3, 4, 5):
        yield np.array(list(itertools.product(range(k), repeat=k)))
        yield np.array(list(itertools.permutations(range(k))))
    yield from (np.arange(1000).reshape(100, 10), np.arange(9) + np.arange(90)[:, None])
    yield from ((np.arange(9) + np.arange(90)[:, None]) % 7, np.eye(30), np.zeros((50, 4)))
    yield np.tile(np.arange(8), (50, 1))
    trials = pd.MultiIndex.from_product([range(6), range(10)], names=["subject", "trial"])
    yield pd.DataFrame(rng.normal(size=(60, 8)), index=trials)
    yield pd.DataFrame(rng.normal(size=(60, 8)), index=trials).add_prefix("t")
    people = pd.DataFrame(
        {
            "class": rng.integers(1, 4, 400),
            "age": rng.integers(1, 80, 400),
            "fare": rng.gamma(2, 20, 400),
        }
    )
    yield from (people, people.sort_values(["class", "age"]), people.sort_values(["class", "fare"]))
    yield people.sample(frac=1, replace=True, random_state=0)
    for load in (load_basic_motions, load_japanese_vowels):
        X = read_sequences(load(return_X_y=True)[0])
        for channel in range(X.n_channels):
            yield X.to_padded()[0][:, :, channel]
            yield pd.DataFrame(X.to_padded()[0][:, :, channel])


def test_other_tables_are_not():
    for table in honest():
        assert not long_table_advice(table)


def fresh(estimator):
    return pytest.warns(UserWarning, match=r"looks like a long table.* 180 sequences of \d steps? ")


@pytest.mark.parametrize(
    "estimator",
    [
        SequenceScaler(),
        SequenceImputer(),
        SequenceResampler(2),
        SlidingWindows(2),
        ToSequences(),
        ReservoirClassifier(5),
        RNNClassifier(4, max_epochs=1),
    ],
)
@pytest.mark.parametrize("X", [LONG, LONG.to_numpy(), LONG.set_index(["machine", "second"])])
def test_a_fit_warns_and_a_prediction_does_not(estimator, X):
    labels = np.arange(len(X)) % 2
    if X.shape[1] == 1 and isinstance(estimator, SlidingWindows):
        estimator = SlidingWindows(1)
    with fresh(estimator):
        estimator.fit(X, labels)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (estimator.predict if hasattr(estimator, "predict") else estimator.transform)(X)


def test_windows_of_a_long_table():
    with pytest.warns(UserWarning, match="looks like a long table"):
        SlidingWindows(2).split(LONG, np.arange(len(LONG)) % 2)


@pytest.mark.parametrize(
    "estimator",
    [ReservoirClassifier(5), RNNClassifier(4, max_epochs=1), SequenceTagger(4, max_epochs=1)],
)
def test_one_target_for_each_series_is_refused_by_name(estimator):
    labels = [0, 1] * 6
    for X, call in (
        (LONG, "from_long(X, id='machine', time='second')"),
        (LONG.set_index(["machine", "second"]), "from_long(X.reset_index(), id='machine', time="),
        (LONG.to_numpy(), "from_long(pandas.DataFrame(X), id=0, time=1)"),
        (DATES.set_index(["machine", "second"]), "X.reset_index(), id='machine', time='second'"),
    ):
        with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[180, 12\]") as of:
            estimator.fit(X, labels)
        assert call in str(of.value)


def test_words_one_a_row():
    words = LONG.assign(temp=np.where(LONG["temp"] > 0, "hot", "cold"))
    model = SequenceTagger(4, max_epochs=1)
    with pytest.raises(ValueError, match=r"X\.groupby\('machine', sort=False\)\.agg\(list\)"):
        model.fit(words, words["temp"])
    rows = words.groupby("machine", sort=False)[["temp"]].agg(list)
    assert model.fit(rows, rows["temp"]).score(rows, rows["temp"]) > 0


def test_shuffled_steps_with_one_target_for_each_series():
    for X in (LONG, LONG.set_index(["machine", "second"])):
        with pytest.raises(ValueError, match=r"\[180, 12\].*id='machine', time='second'"):
            ReservoirClassifier(5).fit(X.sample(frac=1, random_state=0), [0, 1] * 6)


def test_other_lengths_of_y_are_said_as_they_are():
    X = np.random.default_rng(0).integers(0, 10, (60, 5))
    for y in (np.arange(10), sparse.eye_array(10, format="csr"), [0, 1] * 5):
        with pytest.raises(ValueError, match=r"inconsistent numbers of samples: .*60, .*10") as of:
            ReservoirClassifier(5).fit(X, y)
        assert "long table" not in str(of.value)


def test_text_and_dates_in_a_long_table():
    model = ReservoirClassifier(5)
    labels = np.arange(len(LONG)) % 2
    with pytest.raises(ValueError, match=r"strings in the columns \['machine'\].*from_long\(X, id"):
        model.fit(LONG.assign(machine=[f"m{i}" for i in LONG["machine"]]), labels)
    with pytest.raises((TypeError, ValueError), match=r"from_long\(X, id='machine', time='second'"):
        model.fit(DATES, labels)
    series = LONG.set_index(["machine", "second"])["temp"]
    with pytest.raises(ValueError, match=r"from_long\(X.reset_index\(\), id='machine', time='sec"):
        model.fit(series, labels)


def test_what_the_advice_says_works():
    labels = LONG["machine"] % 2
    X, y = Sequences.from_long(
        LONG.assign(label=labels, temp=LONG["temp"] + 3 * labels),
        id="machine",
        time="second",
        target="label",
    )
    assert ReservoirClassifier(10, random_state=0).fit(X, y).score(X, y) == 1
