"""TokenAttributionDisplay: attributions are complete, and are drawn and written as they are."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from sklearn.pipeline import make_pipeline

from sklearn_rnn import RNNClassifier, RNNRegressor
from sklearn_rnn.inspection import TokenAttributionDisplay
from sklearn_rnn.preprocessing import TextTokenizer

TEXTS = ["a good plot", "a bad plot", "not good at all", "not bad at all"] * 30
LABELS = np.array(["yes", "no", "no", "yes"] * 30)


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def fitted(share=None, **parameters):
    defaults = {"hidden_size": 8, "max_epochs": 6, "random_state": 0, "dropout": 0.0}
    model = make_pipeline(TextTokenizer(), RNNClassifier(**{**defaults, **parameters}))
    model.fit(TEXTS, LABELS)
    if share is not None:
        model[-1].net_.module_.recurrence_share.fill_(share)
        model[-1].net_.run_.converted = None
    return model


def raw(network, tokens):
    """Return raw outputs for tokens, and for a text of blanks."""
    with torch.no_grad():
        full = network.answer(tokens, None)[0]
        vectors = network.input.embedding.weight.clone()
        network.input.embedding.weight.zero_()
        blank = network(tokens, None)[0]
        network.input.embedding.weight.copy_(vectors)
    share = float(network.recurrence_share)
    rest = 0 if network.path is None else (1 - share) * network.path.bias
    return full, share * blank + rest


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_attributions_are_complete(share, cell):
    model = fitted(share, cell=cell)
    long = "not good at all a bad plot " * 20
    X = model[0].transform(["not good at all", "bad", "a good good plot unheard", long])
    found = model[-1].token_attributions(X, target="yes", n_steps=128)
    assert found.lengths.tolist() == X.lengths.tolist()
    network = model[-1].net_.network_for(torch.float64)
    for row, values in zip(X, found, strict=True):
        full, blank = raw(network, torch.from_numpy(row[:, 0])[None])
        assert values.sum() == pytest.approx(float(full[0] - blank[0]), abs=2e-3)
    against = model[-1].token_attributions(X, target="no", n_steps=128)
    np.testing.assert_allclose(against.values, -found.values, atol=1e-9)


def test_the_word_that_decides_stands_out():
    model = fitted(closed_form="only")
    X = model[0].transform(["a good plot"])
    values = model[-1].token_attributions(X, target="yes")[0][:, 0]
    assert np.argmax(values) == 1 and values[1] > 0


def test_several_classes_and_numbers():
    y = np.array(["x", "y", "z", "x"] * 30)
    model = make_pipeline(TextTokenizer(), RNNClassifier(closed_form="only", random_state=0)).fit(
        TEXTS, y
    )
    X = model[0].transform(TEXTS[:2])
    assert model[-1].token_attributions(X).values.shape == (6, 1)
    with pytest.raises(ValueError, match="none of the labels"):
        model[-1].token_attributions(X, target="w")
    numbers = make_pipeline(TextTokenizer(), RNNRegressor(4, closed_form="only", random_state=0))
    numbers.fit(TEXTS, np.arange(120.0))
    assert numbers[-1].token_attributions(X).values.shape == (6, 1)
    with pytest.raises(ValueError, match="of tokens"):
        RNNClassifier(4, max_epochs=1).fit(
            np.random.default_rng(0).normal(size=(20, 5)), np.arange(20) % 2
        ).token_attributions(np.zeros((2, 5)))


def test_from_a_pipeline_of_texts():
    display = TokenAttributionDisplay.from_estimator(
        fitted(closed_form="only"), ["Not <good> at all", "a $bad$ plot"]
    )
    assert display.tokens[0] == ["not", "<unk>", "good", "<unk>", "at", "all"]
    assert [text.get_text() for text in display.texts_][0] in ("yes", "no")
    html = display._repr_html_()
    assert "&lt;unk&gt;" in html and "<unk>" not in html and "rgba(" in html
    display.figure_.canvas.draw()


def test_attention():
    model = fitted(pooling=("attention", "max"), closed_form=False)
    display = TokenAttributionDisplay.from_estimator(model, TEXTS[:2], method="attention")
    assert all(row.sum() == pytest.approx(1, abs=1e-5) for row in display.attributions)
    with pytest.raises(ValueError, match="method"):
        TokenAttributionDisplay.from_estimator(model, TEXTS[:2], method="magic")
    with pytest.raises(ValueError, match="no attention"):
        TokenAttributionDisplay.from_estimator(fitted(), TEXTS[:2], method="attention")


def test_long_texts_break_their_lines():
    words = ["word"] * 60
    display = TokenAttributionDisplay([words], [np.linspace(-1, 1, 60)], titles=["t"]).plot()
    heights = {text.get_position()[1] for text in display.texts_}
    assert len(heights) >= 4
    _, ax = plt.subplots()
    assert TokenAttributionDisplay([["a"]], [[0.0]]).plot(ax=ax).ax_ is ax


def test_what_nothing_shows_has_a_picture():
    display = TokenAttributionDisplay([["a\x00", "\t"]], [[1.0, 0.0]])
    assert display.tokens == [["a\u2400", "\u2409"]]


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="Row 0 has 1 tokens, but 2"):
        TokenAttributionDisplay([["a"]], [[1, 2]])
    with pytest.raises(ValueError, match="2 texts, but 1"):
        TokenAttributionDisplay([["a"], ["b"]], [[1]])
    with pytest.raises(ValueError, match="1 texts, but 2 titles"):
        TokenAttributionDisplay([["a"]], [[1]], titles=["x", "y"])
    with pytest.raises(ValueError, match="no tokens"):
        TokenAttributionDisplay.from_estimator(fitted(closed_form="only")[-1], TEXTS)


def test_html_needs_no_matplotlib(monkeypatch):
    module = "sklearn_rnn.inspection._token_attribution.find_spec"
    monkeypatch.setattr(module, lambda name: None)
    display = TokenAttributionDisplay.from_estimator(fitted(), TEXTS[:1])
    assert "plot" in display._repr_html_() and not hasattr(display, "ax_")
