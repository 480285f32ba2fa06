"""The benchmarks run, on problems that are tiny, and keep their sections of the page."""

import gzip
import importlib
import json
import lzma
import sys
from pathlib import Path

import numpy as np
import pytest

from sklearn_rnn import Sequences

FOLDER = Path(__file__).parents[1] / "benchmarks"

pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason="the package is not in its repository")


@pytest.fixture
def script(monkeypatch):
    """Return a function that imports a script as running it would, and forget them afterwards."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(FOLDER)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if (
            getattr(sys.modules[name], "__file__", None)
            and FOLDER in Path(sys.modules[name].__file__).parents
        ):
            del sys.modules[name]


def test_a_table_is_laid_out(script):
    text = script("_report").table(("what", "s"), [("fit", 1.5), ("predict", "-")])
    assert text.splitlines() == [
        "| what    |   s |",
        "| :------ | --: |",
        "| fit     | 1.5 |",
        "| predict |   - |",
    ]


def test_a_section_is_added_then_replaced_and_the_rest_is_left_alone(script, tmp_path):
    update_page, page = script("_report").update_page, tmp_path / "page.md"
    page.write_text("# Ours\n\nBefore.\n")
    update_page(page, "one", "first")
    update_page(page, "two", "second")
    update_page(page, "one", "changed")
    text = page.read_text()
    assert text.startswith("# Ours\n\nBefore.\n")
    assert "first" not in text
    assert text.index("changed") < text.index("second")
    page.write_text(text.replace("<!-- end one -->", ""))
    with pytest.raises(ValueError, match="has the marker"):
        update_page(page, "one", "again")


def test_the_environment_names_versions_and_no_machine(script):
    text = script("_report").environment()
    assert "torch " in text and "Python 3." in text
    assert "/" not in text.replace("+", "").split(";")[1]


def test_overhead_runs(script, tmp_path):
    page = tmp_path / "page.md"
    sizes = "--sequences 16 --steps 10 --units 4 --batch-size 8 --epochs 1 --repeats 1"
    results = script("overhead").main([*sizes.split(), "--page", str(page)])
    assert len(results) == 4
    assert all(result["same ratio"] > 0 for result in results)
    assert "| bidirectional LSTM, ragged" in page.read_text()


def test_cells_run(script, tmp_path):
    pytest.importorskip("llvmlite")
    page = tmp_path / "page.md"
    results = script("cells").main(["--quick", "--threads", "1", "--page", str(page)])
    assert len(results) == 9
    assert all(value > 0 for found in results.values() for value in found)
    assert "| gru_reset_before |" in page.read_text()


@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_the_plain_network_of_the_overhead_is_our_network(script, ragged, bidirectional):
    """The two loops train the same function: with the same weights they answer the same."""
    import torch

    overhead = script("overhead")
    problem = overhead.make_problem(6, 10, 3, 4, 8, 1, ragged=ragged)
    ours = overhead.same_network(problem, bidirectional=bidirectional).eval()
    plain = overhead.plain_network(problem, bidirectional=bidirectional).eval()
    layers = ours.recurrence.layers[0]
    with torch.no_grad():
        for name, weight in layers[0].named_parameters():
            getattr(plain.recurrence, name).copy_(weight)
            if bidirectional and ragged:
                getattr(plain.backward_recurrence, name).copy_(getattr(layers[1], name))
            elif bidirectional:
                reverse = getattr(plain.recurrence, f"{name}_reverse")
                reverse.copy_(getattr(layers[1], name))
        plain.head.weight.copy_(ours.head.projection.weight)
        plain.head.bias.copy_(ours.head.projection.bias)
        lengths = torch.tensor([len(x) for x in problem.X])
        x = torch.nn.utils.rnn.pad_sequence(
            [torch.from_numpy(x) for x in problem.X], batch_first=True
        )
        torch.testing.assert_close(plain(x, lengths), ours(x, lengths), rtol=1e-4, atol=1e-5)


def test_memory_runs_in_a_fresh_process(script, tmp_path):
    page = tmp_path / "page.md"
    options = ["--gib", "0.002", "--cases", "cube", "--folder", str(tmp_path), "--page", str(page)]
    results = script("memory").main(options)
    assert results["cube"]["n"] > 0
    assert 0 < results["cube"]["fit total"] < 2000
    assert "| 3-D array" in page.read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["page.md"]


@pytest.mark.parametrize("name", ["long", "short", "double", "stopping", "thin"])
def test_each_form_of_the_file_is_read(script, tmp_path, name):
    memory = script("memory")
    case = memory.CASES[name]
    memory.write_values(tmp_path / "values", case.dtype, 2**24 + 3)
    X, n = memory.map_values(tmp_path / "values", case)
    assert len(X) == n > 0
    assert isinstance(X, Sequences) == (case.form == "sequences")


def test_sets_in_the_format_of_sktime_are_read(script, tmp_path):
    text = "# A set\n@univariate false\n@DATA\n1,2,3:4,5,6:yes\n\n7,8:9,10:no\n"
    with lzma.open(tmp_path / "set.ts.xz", "wt") as file:
        file.write(text)
    X, y = script("_data").read_ts(tmp_path / "set.ts.xz")
    assert y.tolist() == ["yes", "no"]
    np.testing.assert_array_equal(X[0], [[1, 4], [2, 5], [3, 6]])
    np.testing.assert_array_equal(X[1], [[7, 9], [8, 10]])


def test_sequences_are_summarised_alike_whatever_their_length(script):
    rows = [np.ones((1, 2)), np.arange(20.0).reshape(10, 2)]
    found = script("_baselines").summaries(Sequences.from_list(rows))
    assert found.shape == (2, 12 * 2 + 1)
    assert np.isfinite(found).all()
    assert found[:, -1].tolist() == [1, 10]


def test_accuracy_skips_what_is_not_there(script, tmp_path, capsys):
    options = ["--data", str(tmp_path), "--page", str(tmp_path / "page.md")]
    assert script("accuracy").main(options) == {}
    assert "nothing was measured" in capsys.readouterr().err
    assert not (tmp_path / "page.md").exists()


@pytest.mark.parametrize("name", ["BasicMotions", "Tecator"])
def test_accuracy_runs(script, capsys, name):
    if name not in script("_data").available():
        pytest.skip(f"{name} is not in the data folder")
    options = ["--sets", name, "--seeds", "1", "--variants", "closed form"]
    (_, results), *others = script("accuracy").main(options).values()
    assert not others
    assert set(results) == {
        "closed form",
        "linear",
        "forest",
        "reservoir",
        "majority" if name[0] == "B" else "mean",
    }
    assert f"| {name} " in capsys.readouterr().out


@pytest.mark.parametrize("name", ["ItalyPowerDemand", "Tecator"])
def test_choices_run_on_training_parts(script, capsys, name):
    if name not in script("_data").available():
        pytest.skip(f"{name} is not in the data folder")
    options = ["--sets", name, "--seeds", "1", "--variants", "closed form"]
    found = script("choices").main(options)
    assert len(found[name]["closed form"].scores) == 3
    assert f"| {name} " in capsys.readouterr().out


def test_every_set_at_hand_is_read(script):
    data = script("_data")
    names = data.available()
    if not names:
        pytest.skip("the data folder is not there")
    for name in names:
        part = data.load(name)
        assert len(part.X_train) == len(part.y_train) > 0, name
        assert len(part.X_test) == len(part.y_test) > 0, name
        assert part.X_train.n_channels == part.X_test.n_channels, name


def test_shuffling_runs_on_ragged_forms_of_a_set(script, capsys):
    if "ItalyPowerDemand" not in script("_data").available():
        pytest.skip("ItalyPowerDemand is not in the data folder")
    options = "--sets ItalyPowerDemand --seeds 1 --units 2 --epochs 1 --no-page".split()
    found = script("shuffling").main(options)
    assert list(found) == ["ItalyPowerDemand, shortened", "ItalyPowerDemand, shortened by class"]
    assert all(len(scores) == 3 for ways in found.values() for scores in ways.values())
    assert "| mean" in capsys.readouterr().out


def test_long_runs(script, tmp_path):
    page = tmp_path / "page.md"
    found = script("long").main(["--quick", "--page", str(page)])
    assert found["predict"]["all defaults"]["s"] > 0
    assert all(error < 1 for error, _ in found["adding"].values())
    text = page.read_text()
    assert "| torch.nn.LSTM |" in text and "reservoir alone" in text


@pytest.mark.parametrize("name", ["surnames", "TREC"])
def test_text_runs(script, tmp_path, capsys, name):
    if name not in script("_texts").available(script("_data").FOLDER):
        pytest.skip(f"{name} is not in the data folder")
    page = tmp_path / "page.md"
    kept = tmp_path / "results.json"
    options = ["--quick", "--sets", name, "--page", str(page)]
    found = script("text").main([*options, "--models", "default"])
    (fit,) = found[name]["default"].values()
    assert set(found[name]) == {"default"} and fit["score"] > 0.2 and fit["seconds"] > 0
    assert f"| {name} " in capsys.readouterr().out and not page.exists()
    # What is in the file is not measured again, and a later run adds to it.
    kept.write_text(json.dumps({name: {"default": {"0": {**fit, "score": 0.123}}}}))
    options += ["--results", str(kept), "--note", "One seed."]
    found = script("text").main(options)
    assert found[name]["default"]["0"]["score"] == 0.123
    assert set(found[name]) == {"default", "TF-IDF + LR", "bag of embeddings"}
    assert json.loads(kept.read_text()) == found
    text = page.read_text()
    assert f"| {name} " in text and "0.123" in text and "One seed." in text


def test_speed_runs(script, tmp_path):
    page = tmp_path / "page.md"
    options = "--quick --sequences 12 --batch-size 4 --epochs 1 --repeats 1 --rivals skorch"
    results = script("speed").main([*options.split(), "--page", str(page)])
    (found,) = results.values()
    wanted = {"fit", "loop", "skorch", "predict ratio", "one ratio", "ragged", "idle", "busy"}
    assert wanted <= set(found)
    assert all(value > 0 for value in found.values())
    assert "| lstm, 4 units, 10 steps, 4x" in page.read_text()


def test_gpu_runs_on_a_cpu_too(script, tmp_path):
    page = tmp_path / "page.md"
    options = ["--quick", "--device", "cpu", "--epochs", "1", "--repeats", "1", "--page", str(page)]
    results = script("gpu").main(options)
    assert set(results["tiny"]) == {"fit", "fit, bfloat16", "bare loop", "skorch"}
    assert all(seconds > 0 for seconds in results["tiny"].values())
    assert "samples/s" in page.read_text()


def test_gpu_says_that_there_is_none(script, monkeypatch, capsys):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert script("gpu").main(["--no-page"]) == {}
    assert "no CUDA device" in capsys.readouterr().err


def test_scaling_runs_in_fresh_processes(script, tmp_path):
    page = tmp_path / "page.md"
    results = script("scaling").main(["--quick", "--repeats", "1", "--page", str(page)])
    assert list(results) == ["sequences"]
    assert all(seconds > 0 for seconds in results["sequences"]["seconds"])
    assert "| sequences: 8, 16" in page.read_text()


def test_an_exponent_is_a_slope_of_logarithms(script):
    assert script("scaling").exponent((1, 2, 4), [3.0, 12.0, 48.0]) == pytest.approx(2)


def test_the_forecasting_benchmark_runs_on_a_small_set(script, capsys):
    name = "AirPassengers"
    if name not in script("_series").available_panels():
        pytest.skip(f"{name} is not in the data folder")
    found = script("forecasting").main(["--sets", name, "--ett", ""])
    assert found[name]["default"].mase < 0.9
    assert found[name]["seasonal naive"].mase == pytest.approx(2.494, abs=1e-3)
    assert f"| {name} " in capsys.readouterr().out


def test_the_forecasting_benchmark_skips_what_is_not_there(script, tmp_path, capsys):
    options = ["--data", str(tmp_path), "--page", str(tmp_path / "page.md")]
    assert script("forecasting").main(options) == {}
    assert "nothing was measured" in capsys.readouterr().err
    assert not (tmp_path / "page.md").exists()


def test_the_metric_of_the_forecasting_benchmark_reproduces_the_published_seasonal_naive(script):
    series = script("_series")
    if "M4 hourly" not in series.available_panels():
        pytest.skip("M4 is not in the data folder")
    data = series.load_panel("M4 hourly")
    found = script("_forecast_rivals").seasonal_naive(data)
    assert script("forecasting").mase(data, found) == pytest.approx(1.193, abs=5e-4)


def test_series_of_two_seasons_are_repeated_by_ridge_and_naive(script):
    series, others = script("_series"), script("_forecast_rivals")
    wave = np.tile([1.0, 2.0, 5.0, 3.0], 12)
    data = series.SeriesSet("waves", [wave, 2 * wave], [wave[:6], 2 * wave[:6]], 4, 4)
    for forecast in (others.seasonal_naive, others.ridge):
        np.testing.assert_allclose(forecast(data), np.stack(data.test), rtol=0.05)


def test_taggers_are_skipped_or_run(script, tmp_path, capsys):
    tagging, page = script("tagging"), tmp_path / "page.md"
    assert tagging.main(["--data", str(tmp_path), "--page", str(page)]) == {}
    assert "nothing was measured" in capsys.readouterr().err
    folder = tmp_path / "slot_filling" / "snips"
    rows = {"seq.in": "play jazz\nrain in rome", "seq.out": "O B-g\nO O B-c", "label": "m\nw"}
    for part in ("train", "test"):
        (folder / part).mkdir(parents=True)
        for name, text in rows.items():
            with gzip.open(folder / part / f"{name}.gz", "wt") as file:
                file.write(f"{text}\n")
    found = tagging.main(["--quick", "--data", str(tmp_path), "--page", str(page)])
    assert list(found) == ["SNIPS"]
    score, intent, *_ = found["SNIPS"]["default"][0]
    assert 0 <= score <= 1 and 0 <= intent <= 1
    assert "| SNIPS " in page.read_text()


def test_a_linear_tagger_reads_a_window(script):
    window = script("tagging").window
    first, second = window([("New", "NNP"), ("York", "NNP")])
    assert first["word -1"] == "<none>" and first["word 1"] == "york" and first["title"]
    assert second["tags"] == "NNP NNP" and second["ends -2"] == "rk"
    assert "tag 0" not in next(window(["a"]))


def test_columns_of_a_corpus_are_read(script, tmp_path):
    lines = ["# text", "1\tGo\t_\tVERB", "1-2\tGo on\t_\t_", "2\ton\t_\tADP", "", "1\tNo\t_\tX"]
    (tmp_path / "ud_english_ewt").mkdir()
    for part in ("train", "test"):
        with lzma.open(tmp_path / "ud_english_ewt" / f"en_ewt-ud-{part}.conllu.xz", "wt") as file:
            file.write("\n".join(lines))
    data = script("_tagged").load("EWT", tmp_path)
    assert data.X_train == [["Go", "on"], ["No"]]
    assert data.y_test == [["VERB", "ADP"], ["X"]]
    assert data.shape == "2/2, 3"
