"""TextTokenizer: any text of any form becomes tokens, and no row is lost."""

import os
import pickle
import time
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks as checks

from sklearn_rnn import RNNClassifier, Sequences
from sklearn_rnn.preprocessing import TextTokenizer
from sklearn_rnn.preprocessing._vocabulary import StandIns

PHRASES = [
    "I love this movie",
    "This movie is terrible",
    "I hate this movie",
    "This is my favorite movie",
]


def words(text):
    """Cut one text and return its tokens, capitals or not."""
    tokenizer = TextTokenizer(lowercase=True)
    X = tokenizer.fit_transform([text])
    return tokenizer.tokens_[X[0].ravel()].tolist()


def test_the_four_phrases():
    tokenizer = TextTokenizer()
    X = tokenizer.fit_transform(PHRASES)
    assert isinstance(X, Sequences) and X.vocabulary_size == 11
    assert X.lengths.tolist() == [4, 4, 4, 5]
    assert list(tokenizer.vocabulary_)[:4] == ["<pad>", "<unk>", "movie", "this"]
    assert tokenizer.inverse_transform(X) == [phrase.lower() for phrase in PHRASES]
    assert tokenizer.transform(["I adore this"])[0].ravel().tolist()[1] == 1
    assert tokenizer.get_feature_names_out().tolist() == ["tokens"]
    assert tokenizer.tokens_[X[0].ravel()].tolist() == ["i", "love", "this", "movie"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don't stop, it's 3.14!", ["don't", "stop", ",", "it's", "3.14", "!"]),
        ("l'homme qu'il d'été", ["l'", "homme", "qu'", "il", "d'", "été"]),
        ("they'll we've I'm", ["they'll", "we've", "i'm"]),
        ("it 's 'quoted' n't", ["it", "'s", "'", "quoted", "'", "n't"]),
        ("#tag @user a_b", ["#tag", "@user", "a_b"]),
        ("日本語のテキスト", ["日", "本", "語", "の", "テキスト"]),
        ("我爱电影。", ["我", "爱", "电", "影", "。"]),
        ("ภาษาไทย", ["ภ", "า", "ษ", "า", "ไ", "ท", "ย"]),
        ("สวัสดี", ["ส", "วั", "ส", "ดี"]),
        ("한국어 영화", ["한국어", "영화"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("مرحبا\u200f بالعالم", ["مرحبا", "بالعالم"]),
        ("می\u200cخواهم", ["می\u200cخواهم"]),
        ("ΣΊΣΥΦΟΣ", ["σίσυφος"]),
        ("cafe\u0301 ｆｕｌｌ ﬁne", ["café", "full", "fine"]),
        ("👨‍👩‍👧 👍🏽 🇩🇪🇫🇷 ❤️", ["👨‍👩‍👧", "👍🏽", "🇩🇪", "🇫🇷", "❤️"]),
        ("\ud83d\ude00 \ud800x", ["😀", "\ufffd", "x"]),
        ("a\x00b", ["a", "\x00", "b"]),
        ("so\u00adft\ufeff", ["soft"]),
    ],
)
def test_words_of_many_scripts(text, expected):
    assert words(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Who was Duke Ellington?", "who was <Xx> duke ellington ?"),
        ("What is BPH in Old Rome", "what is <XX> bph in <Xx> old rome"),
        # A run ends where its kind does, or at anything that is no word with a capital.
        ("see BBC World News, Rome", "see <XX> bbc <Xx> world news , <Xx> rome"),
        # What begins a sentence has a capital anyway, behind quotes too; one letter says nothing.
        ('No. The end: "Well! (Really) so', 'no . the end : " well ! ( really ) so'),
        ("then I'm A 3D iPhone", "then i'm a 3d iphone"),
        ("USA first", "<XX> usa first"),
        ("alle Hunde, και ΣΊΣΥΦΟΣ", "alle <Xx> hunde , και <XX> σίσυφος"),
        ("all is small, 我爱 too", "all is small , 我 爱 too"),
        # A small letter that is two signs: nothing can be marked by place.
        ("in \u0130zmir Now", "in i\u0307zmir now"),
    ],
)
def test_marks_say_where_capitals_were(text, expected):
    tokenizer = TextTokenizer(normalization=None)
    X = tokenizer.fit_transform([text])
    assert tokenizer.tokens_[X[0].ravel()].tolist() == expected.split()
    # The words are those of small letters, and come back without the marks.
    plain = TextTokenizer(normalization=None, lowercase=True)
    assert tokenizer.inverse_transform(X) == plain.inverse_transform(plain.fit_transform([text]))


def test_marks_are_there_for_words_of_strings_alone():
    texts = ["in Rome and PARIS", "in Rome"]
    assert {"<Xx>", "<XX>"} <= set(TextTokenizer().fit(texts).vocabulary_)
    for tokenizer, X in (
        (TextTokenizer(lowercase=True), texts),
        (TextTokenizer(characters=True), texts),
        (TextTokenizer("char"), texts),
        (TextTokenizer(str.split), texts),
        (TextTokenizer(), [text.split() for text in texts]),
    ):
        assert not {"<Xx>", "<XX>"} & set(tokenizer.fit(X).vocabulary_)
    # Training on small letters alone knows no marks: capitals then change nothing.
    tokenizer = TextTokenizer().fit(["in rome and paris"])
    assert tokenizer.transform(["in Rome and PARIS"]).equals(
        tokenizer.transform(["in rome and paris"])
    )
    assert tokenizer.transform(["Und Rome"])[0].ravel().tolist() == [
        1,
        tokenizer.vocabulary_["rome"],
    ]
    with pytest.raises(ValueError, match="lowercase"):
        TextTokenizer(lowercase="other").fit(texts)


def test_words_that_only_look_like_marks_stay_what_they_are():
    """Of rows that are cut already every word is a step, which a tag may belong to."""
    for tokenizer, known, row in (
        (TextTokenizer(lowercase=False), ["in", "<Xx>", "rome"], ["in", "<XX>", "rome"]),
        (TextTokenizer(lowercase="mark", characters=True), ["in", "rome"], ["<Xx>", "rome"]),
    ):
        X = tokenizer.fit([known]).transform([row])
        assert X.lengths.tolist() == [len(row)]
    tokenizer = TextTokenizer(str.split)
    assert tokenizer.fit(["in rome"]).transform(["in <Xx> rome"]).lengths.tolist() == [3]
    tokenizer = TextTokenizer(lowercase=False)
    X = tokenizer.fit_transform([["in", "<Xx>", "rome"]])
    assert tokenizer.inverse_transform(X) == [["in", "<Xx>", "rome"]]


def test_overlong_words_with_capitals_come_in_pieces():
    text = "see " + "Ab" * 150
    lengths = TextTokenizer(lowercase=True).fit_transform([text]).lengths
    assert lengths.tolist() == [4] and TextTokenizer().fit_transform([text]).lengths.tolist() == [5]


def test_inverse_knows_which_scripts_write_spaces():
    tokenizer = TextTokenizer()
    X = tokenizer.fit_transform(["我爱电影", "good 电影 indeed"])
    assert tokenizer.inverse_transform(X) == ["我爱电影", "good 电影 indeed"]


def test_characters_and_callables():
    tokenizer = TextTokenizer("char", lowercase=False)
    assert tokenizer.inverse_transform(tokenizer.fit_transform(["Ab c", "d"])) == ["Ab c", "d"]
    tokenizer = TextTokenizer(str.split)
    assert tokenizer.fit_transform(["a b", "B"]).lengths.tolist() == [2, 1]
    assert "B" in tokenizer.vocabulary_
    with pytest.raises(TypeError, match="row 0 it returned"):
        TextTokenizer(lambda text: [1, 2]).fit(["a"])


@pytest.mark.parametrize("model", ["bpe", "unigram"])
def test_subwords(model):
    texts = ["low lower lowest", "new newer newest", "wide wider widest"] * 5
    tokenizer = TextTokenizer("subword", subword_model=model, max_vocabulary=40)
    X = tokenizer.fit_transform(texts)
    assert X.vocabulary_size == len(tokenizer.vocabulary_) <= 40
    assert list(tokenizer.vocabulary_)[:2] == ["<pad>", "<unk>"]
    assert tokenizer.inverse_transform(X) == texts
    # A word never seen is put together from pieces.
    unseen = tokenizer.transform(["lowid"])
    assert tokenizer.inverse_transform(unseen) == ["lowid"]
    assert tokenizer.transform(["", "\ud800", "語"]).lengths.min() == 1
    again = pickle.loads(pickle.dumps(tokenizer))
    assert again.transform(texts).equals(X)
    assert clone(tokenizer).fit(texts).vocabulary_ == tokenizer.vocabulary_
    assert "TOKENIZERS_PARALLELISM" not in os.environ


def test_vocabulary_is_bounded_and_rare_words_are_unknown():
    texts = ["a a a b b c"]
    assert set(TextTokenizer(min_count=2).fit(texts).vocabulary_) == {"<pad>", "<unk>", "a", "b"}
    tokenizer = TextTokenizer(max_vocabulary=3).fit(texts)
    assert tokenizer.vocabulary_ == {"<pad>": 0, "<unk>": 1, "a": 2}
    assert tokenizer.transform(["c <pad>"])[0].ravel().tolist() == [1, 1, 1, 1]
    assert TextTokenizer().fit([["<pad>", "<unk>"]]).transform([["<pad>"]])[0].item() == 1


def test_special_tokens_stay_whole():
    tokenizer = TextTokenizer(special_tokens=["[SEP]", "<BOS>"])
    X = tokenizer.fit_transform(["<BOS>Hello[SEP]world", "<bos>"])
    assert tokenizer.tokens_[:4].tolist() == ["<pad>", "<unk>", "[SEP]", "<BOS>"]
    assert X[0].ravel()[[0, 2]].tolist() == [3, 2]
    assert X.lengths.tolist() == [4, 3]
    subwords = TextTokenizer("subword", special_tokens=["[SEP]"], max_vocabulary=30)
    X = subwords.fit_transform(["one[SEP]two one two"] * 4)
    assert (X.values == 2).sum() == 4
    for wrong in (["<pad>"], ["a", "a"], [1], [""]):
        with pytest.raises(ValueError, match="special_tokens"):
            TextTokenizer(special_tokens=wrong).fit(["a"])
    with pytest.raises(ValueError, match="no room"):
        TextTokenizer(special_tokens=["a", "b"], max_vocabulary=3).fit(["a"])


def test_cutting_is_reported_once():
    texts = ["one two three four", "one"]
    with pytest.warns(UserWarning, match="1 of 2 texts have more than max_length=2") as found:
        X = TextTokenizer(max_length=2).fit_transform(texts)
    assert len(found) == 1
    assert X.lengths.tolist() == [2, 1]
    with pytest.warns(UserWarning):
        tokenizer = TextTokenizer(max_length=2, truncate="start").fit(texts)
    assert tokenizer.n_truncated_ == 1
    assert tokenizer.inverse_transform(tokenizer.transform(texts)) == ["three four", "one"]
    quiet = TextTokenizer(max_length=2).fit(["one two"])
    with pytest.warns(UserWarning, match="max_length=2"):
        quiet.transform(texts)


@pytest.mark.parametrize(
    "text",
    [
        "a" * 10**6,
        "a\u0315\u0300" * 10**5 + "b" + "\u0315\u0300" * 10**5,
        "\u0f73" * (4 * 10**4),
        "\x00" * 10**5,
        "a'" * 10**5,
        "\ud800" * 10**5,
        "\u200f" * 10**6,
        "👨\u200d" * 10**5,
        "1." * 10**5,
        "Σ'" * 10**5,
        "\ufdfa" * 10**4,
        " " * 10**6,
    ],
    ids=[
        "letter",
        "marks",
        "tibetan",
        "nul",
        "quotes",
        "surrogates",
        "rtl",
        "joiners",
        "points",
        "sigma",
        "one",
        "spaces",
    ],
)
def test_hostile_texts_cost_what_their_length_costs(text):
    def seconds(part):
        begun = time.process_time()
        X = TextTokenizer().fit_transform([part, "b"])
        assert len(X) == 2
        return time.process_time() - begun

    seconds("é")
    assert seconds(text) < 8 * seconds(text[: len(text) // 4]) + 0.5


def test_both_apostrophes_are_one():
    tokenizer = TextTokenizer().fit(["don't", "l'homme"])
    assert tokenizer.inverse_transform(tokenizer.transform(["don\u2019t l\u2019homme"])) == [
        "don't l' homme"
    ]
    kept = TextTokenizer(normalization="NFC").fit(["don\u2019t"])
    assert "don\u2019t" in kept.vocabulary_


def test_an_iterator_is_read_once():
    X = TextTokenizer().fit_transform(iter(PHRASES))
    assert np.array_equal(X.values, TextTokenizer().fit_transform(PHRASES).values)


def test_no_row_is_lost():
    X = TextTokenizer().fit_transform(["", " \t\n", "\u200f", "a"])
    assert X.lengths.tolist() == [1, 1, 1, 1]
    assert X.values[:3].ravel().tolist() == [1, 1, 1]
    X = TextTokenizer().fit_transform([["a", "", "b"], []])
    assert X.lengths.tolist() == [3, 1]


@pytest.mark.parametrize("bad", [None, 3, 2.5, np.nan, True, b"bytes", pd.NA, ["a", 1], {"a": 1}])
def test_what_is_no_text_is_refused_by_row(bad):
    with pytest.raises(TypeError, match="Row 1"):
        TextTokenizer().fit(["text", bad])
    tokenizer = TextTokenizer().fit(["text"])
    with pytest.raises(TypeError, match="Row 1"):
        tokenizer.transform(["text", bad])


@pytest.mark.parametrize(
    "check",
    [
        checks.check_param_validation,
        checks.check_estimator_cloneable,
        checks.check_estimator_repr,
        checks.check_no_attributes_set_in_init,
        checks.check_parameters_default_constructible,
        checks.check_get_params_invariance,
        checks.check_set_params,
        checks.check_valid_tag_types,
    ],
    ids=lambda check: check.__name__,
)
def test_scikit_learn_checks_that_need_no_numbers(check):
    check("TextTokenizer", TextTokenizer())


def test_other_refusals():
    with pytest.raises(TypeError, match=r"pass \[X\]"):
        TextTokenizer().fit("text")
    with pytest.raises(ValueError, match="0 sample"):
        TextTokenizer().fit([])
    with pytest.raises(TypeError, match="Row 1"):
        TextTokenizer().fit(["text", ["a", "b"]])
    with pytest.raises(TypeError, match="fitted on lists of words"):
        TextTokenizer().fit([["a", "b"]]).transform(["a b"])
    with pytest.raises(ValueError, match="cuts strings"):
        TextTokenizer("char").fit([["a", "b"]])
    with pytest.raises(ValueError, match="one text for each row"):
        TextTokenizer().fit(np.array([["a", "b"]]))
    with pytest.raises(ValueError, match="no token"):
        TextTokenizer().fit(["a"]).inverse_transform([[99]])


def forms():
    texts = ["I love it", "so bad", "é"]
    return {
        "list": texts,
        "tuple": tuple(texts),
        "array": np.array(texts),
        "objects": np.array(texts, dtype=object),
        "column": np.array(texts)[:, None],
        "pandas": pd.Series(texts),
        "pandas objects": pd.Series(texts, dtype=object),
        "polars": pl.Series(texts),
        "arrow": pa.array(texts),
        "chunked": pa.chunked_array([texts]),
        "frame": pd.DataFrame({"review": texts}),
        "polars frame": pl.DataFrame({"review": texts}),
        "arrow table": pa.table({"review": texts}),
    }


@pytest.mark.parametrize("name", forms())
def test_every_form_reads_the_same(name):
    X = forms()[name]
    tokenizer = TextTokenizer()
    found = tokenizer.fit_transform(X)
    expected = TextTokenizer().fit_transform(forms()["list"])
    np.testing.assert_array_equal(found.values, expected.values)
    if "frame" in name or "table" in name:
        assert tokenizer.feature_names_in_.tolist() == ["review"]
        assert tokenizer.get_feature_names_out().tolist() == ["review"]


@pytest.mark.parametrize("library", [pd.DataFrame, pl.DataFrame, pa.table])
def test_frames_with_other_columns(library):
    data = {"age": [20.0, 30.0], "text": ["I love it", "so bad"]}
    tokenizer = TextTokenizer()
    X = tokenizer.fit_transform(library(data))
    assert X.static_names == ("age",) and X.static[:, 0].tolist() == [20, 30]
    assert X.channel_names == ("text",) and tokenizer.n_features_in_ == 2
    named = library({**data, "city": ["Ulm", "Bonn"]})
    with pytest.raises(ValueError, match=r"found \['text', 'city'\].*column="):
        TextTokenizer().fit(named)
    X = TextTokenizer(column="text").fit_transform(named)
    assert X.static_categories == (None, ("Bonn", "Ulm"))
    with pytest.raises(ValueError, match="unseen at fit: .*city"):
        tokenizer.transform(named)
    with pytest.raises(ValueError, match="missing: .*age"):
        tokenizer.transform(library({"text": ["a"]}))
    with pytest.raises(ValueError, match="no column 'other'"):
        TextTokenizer(column="other").fit(named)


def test_a_column_may_have_another_name_and_a_frame_may_not():
    tokenizer = TextTokenizer().fit(pd.Series(PHRASES, name="a"))
    assert tokenizer.transform(pd.Series(PHRASES, name="b")).channel_names == ("a",)
    tokenizer = TextTokenizer().fit(pd.DataFrame({"a": PHRASES}))
    assert tokenizer.transform(PHRASES).channel_names == ("a",)
    with pytest.raises(ValueError, match="feature names .* 'b', .* fitted on 'a'"):
        tokenizer.transform(pd.DataFrame({"b": PHRASES}))


def test_a_category_is_no_text():
    frame = pd.DataFrame({"text": ["a b", "c"], "kind": pd.Categorical(["x", "y"])})
    X = TextTokenizer().fit_transform(frame)
    assert X.static_categories == (("x", "y"),)


def test_lists_of_words_with_their_characters():
    sentences = [["The", "cat", "can't"], ["A", ""]]
    tokenizer = TextTokenizer(characters=True)
    X = tokenizer.fit_transform(sentences)
    assert X.lengths.tolist() == [3, 2]
    assert tokenizer.inverse_transform(X) == [["the", "cat", "can't"], ["a", "<unk>"]]
    letters = tokenizer.transform_characters(sentences)
    assert len(letters) == 5 and letters.lengths.tolist() == [3, 3, 5, 1, 1]
    assert "".join(tokenizer.characters_[letters[1].ravel()]) == "cat"
    assert letters.vocabulary_size == len(tokenizer.characters_)
    unseen = tokenizer.transform_characters([["cäx"]])
    assert unseen[0].ravel()[1:].tolist() == [1, 1]
    with pytest.raises(ValueError, match="characters=True"):
        TextTokenizer().fit(sentences).transform_characters(sentences)
    assert not hasattr(TextTokenizer().fit(sentences), "characters_")
    for form in (pl.Series(sentences), pd.Series(sentences), pa.array(sentences)):
        assert TextTokenizer().fit_transform(form).lengths.tolist() == [3, 2]


def test_characters_go_with_tokens_of_strings_too():
    tokenizer = TextTokenizer(characters=True)
    X = tokenizer.fit_transform(["so bad!", ""])
    assert len(tokenizer.transform_characters(["so bad!", ""])) == X.values.size


def test_a_stream_keeps_numbers_and_room():
    tokenizer = TextTokenizer(max_vocabulary=6)
    tokenizer.partial_fit(["a a b"])
    first = dict(tokenizer.vocabulary_)
    assert tokenizer.transform(["a c"]).vocabulary_size == 6
    tokenizer.partial_fit(["c c c c d e f"])
    assert first.items() <= tokenizer.vocabulary_.items()
    assert list(tokenizer.vocabulary_) == ["<pad>", "<unk>", "a", "b", "c", "d"]
    assert tokenizer.transform(["a c"]).vocabulary_size == 6
    assert tokenizer.fit(["z"]).transform(["z"]).vocabulary_size == 3
    rare = TextTokenizer(min_count=2).partial_fit(["a"])
    assert "a" not in rare.vocabulary_ and "a" in rare.partial_fit(["a"]).vocabulary_
    with pytest.raises(ValueError, match="all texts at once"):
        TextTokenizer("subword").partial_fit(["a"])


def test_short_lines_of_a_vector_file_are_told(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("love 1 2 3\nhate 4 5\n\nthis 6 7 8\n", encoding="utf-8")
    with pytest.warns(UserWarning, match="1 lines .* fewer or more numbers than the 3 .* line 2"):
        tokenizer = TextTokenizer(vectors=path).fit(PHRASES)
    assert np.isnan(tokenizer.vectors_[tokenizer.vocabulary_["hate"]]).all()
    assert tokenizer.vectors_[tokenizer.vocabulary_["this"]].tolist() == [6, 7, 8]


def test_vector_files_may_have_tabs_a_byte_order_mark_and_long_lines(tmp_path):
    path = tmp_path / "vectors.txt"
    text = "love\t1 2\t3\nhate  4  5  6\nthis 6 7 8 9\nis not 1 1 1\n"
    path.write_text(text, encoding="utf-8-sig")
    with pytest.warns(UserWarning, match="1 lines .* fewer or more numbers than the 3 .* line 3"):
        tokenizer = TextTokenizer(vectors=path).fit(PHRASES)
    assert tokenizer.vectors_[tokenizer.vocabulary_["love"]].tolist() == [1, 2, 3]
    assert tokenizer.vectors_[tokenizer.vocabulary_["hate"]].tolist() == [4, 5, 6]
    assert np.isnan(tokenizer.vectors_[tokenizer.vocabulary_["this"]]).all()


def test_vectors_from_files_and_mappings(tmp_path):
    glove = tmp_path / "glove.txt"
    glove.write_text("love 1 2 3\nthe movie 4 5 6\nhate 7 8 9\nzzz 0 0 0\n", encoding="utf-8")
    word2vec = tmp_path / "w2v.txt"
    word2vec.write_text("2 3\nlove 1 2 3 \nhate 7 8 9\n", encoding="utf-8")
    mapping = {"love": [1, 2, 3], "hate": np.array([7.0, 8, 9])}
    for source in (glove, str(word2vec), mapping):
        tokenizer = TextTokenizer(vectors=source).fit(PHRASES)
        assert tokenizer.vectors_.shape == (len(tokenizer.tokens_), 3)
        assert tokenizer.vectors_[tokenizer.vocabulary_["love"]].tolist() == [1, 2, 3]
        assert np.isnan(tokenizer.vectors_[tokenizer.vocabulary_["movie"]]).all()
    (tmp_path / "bad.txt").write_text("love 1 2 3\nhate 1 x 3\n", encoding="utf-8")
    with pytest.raises(ValueError, match="line 2"):
        TextTokenizer(vectors=tmp_path / "bad.txt").fit(PHRASES)
    for bad in ({"love": [1.0], "hate": [1.0, 2.0]}, {"love": [np.inf]}, {"love": "x"}):
        with pytest.raises(ValueError, match="'love'"):
            TextTokenizer(vectors=bad).fit(PHRASES)
    with pytest.raises(ValueError, match="no token of the vocabulary"):
        TextTokenizer(vectors={"Zebra": [1.0]}).fit(PHRASES)
    with pytest.raises(FileNotFoundError):
        TextTokenizer(vectors="missing.txt").fit(PHRASES)


def test_fit_is_repeatable_and_changes_nothing():
    tokenizer = TextTokenizer(special_tokens=["[X]"], characters=True)
    before = dict(tokenizer.get_params())
    texts = list(PHRASES)
    first = tokenizer.fit(texts)
    state = pickle.dumps(first)
    first.transform(texts)
    assert pickle.dumps(first) == state
    assert texts == PHRASES and tokenizer.get_params() == before
    again = pickle.loads(state)
    assert again.transform(texts).equals(tokenizer.transform(texts))
    assert clone(tokenizer).fit(texts).vocabulary_ == tokenizer.vocabulary_
    assert tokenizer.set_output(transform="pandas") is tokenizer


def test_the_seams_of_a_million_words_are_quick():
    texts = ["the quick brown fox jumps over the lazy dog, doesn't it?"] * 10_000
    begun = time.process_time()
    with warnings.catch_warnings():
        X = TextTokenizer().fit_transform(texts)
    assert X.lengths.max() == 13
    assert time.process_time() - begun < 5


def test_unknown_words_are_read_as_those_that_begin_like_them():
    tokenizer = TextTokenizer().fit(["the miracles of a painter", "paint in abandoned rooms 1234"])
    X = tokenizer.transform(["a miracle", "abandone painters paintings", "room 12345 them pai"])
    assert tokenizer.inverse_transform(X) == [
        "a miracles",
        "abandoned painter <unk>",
        "rooms <unk> <unk> <unk>",
    ]
    plain = TextTokenizer(unknown="token").fit(["the miracles of a painter"])
    assert plain.inverse_transform(plain.transform(["a miracle"])) == ["a <unk>"]
    rare = TextTokenizer(min_count=2).fit(["clear clear", "clears skies"])
    assert rare.inverse_transform(rare.transform(["clears skies"])) == ["clear <unk>"]
    cut = TextTokenizer().fit([["clear"], ["sky"]])
    assert cut.inverse_transform(cut.transform([["clears"]])) == [["clear"]]
    letters = TextTokenizer("char").fit(["clear"])
    assert letters.inverse_transform(letters.transform(["cleax"])) == ["clea<unk>"]


def test_words_learned_later_stand_in_too():
    tokenizer = TextTokenizer(max_vocabulary=20).partial_fit(["clear"])
    assert tokenizer.transform(["clears skylines"]).values.ravel().tolist() == [2, 1]
    tokenizer.partial_fit(["skyline"])
    again = pickle.loads(pickle.dumps(tokenizer))
    assert again.transform(["clears skylines"]).values.ravel().tolist() == [2, 3]


def test_endless_words_have_no_stand_in():
    begun = time.process_time()
    stand_ins = StandIns(["x" * 2_000_000, "short"])
    assert stand_ins.find("x" * 2_000_001) is None and stand_ins.find("shorter") == "short"
    assert time.process_time() - begun < 1


EVENTS = {
    "events": [["in", "scan", "out"], ["in", "out"], []],
    "at": [[0.0, 2.0, 9.0], [3.0, 4.0], []],
    "age": [40, 50, 60],
}


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table], ids=["pd", "pl", "pa"])
def test_a_column_of_times_beside_lists_of_events(make):
    X = TextTokenizer(column="events", times="at").fit_transform(make(EVENTS))
    assert X.lengths.tolist() == [3, 2, 1]
    assert X.times.tolist() == [0, 2, 9, 3, 4, 0]
    assert X.static_names == ("age",)
    for truncate, times in (("end", [0, 2, 3, 4, 0]), ("start", [2, 9, 3, 4, 0])):
        tokenizer = TextTokenizer(times="at", max_length=2, truncate=truncate)
        with pytest.warns(UserWarning, match="1 of 3 texts"):
            assert tokenizer.fit_transform(make(EVENTS)).times.tolist() == times
    with pytest.raises(ValueError, match=r"Column 'at' holds lists.*TextTokenizer\(times='at'\)"):
        TextTokenizer(column="events").fit(make(EVENTS))


def test_arrays_and_dates_are_times_of_events():
    frame = pd.DataFrame(EVENTS)
    frame["at"] = [np.array(cell) for cell in EVENTS["at"]]
    X = TextTokenizer(times="at").fit_transform(frame)
    assert X.times.tolist() == [0, 2, 9, 3, 4, 0]
    frame["at"] = [pd.to_datetime(cell, unit="D") for cell in EVENTS["at"]]
    model = make_pipeline(TextTokenizer(times="at"), RNNClassifier(4, max_epochs=1, random_state=0))
    assert model.fit(frame, ["a", "b", "a"])[:-1].transform(frame).times[2] == 9 * 86400
    assert model.predict(frame).shape == (3,)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (
            {**EVENTS, "at": [[0.0, 1.0], [3.0, 4.0], []]},
            "Row 0 has 3 words, but .* has 2",
        ),
        ({**EVENTS, "events": ["in scan out", "in out", ""]}, "row 0 is a string"),
        ({"events": EVENTS["events"]}, "X has no column 'at'"),
        ({**EVENTS, "at": [[0.0, 2.0, 1.0], [3.0, 4.0], []]}, "times must increase"),
    ],
)
def test_times_that_do_not_fit_the_events_are_refused(X, message):
    with pytest.raises(ValueError, match=message):
        TextTokenizer(column="events", times="at").fit_transform(pd.DataFrame(X))
    with pytest.raises(TypeError, match="names a column of a data frame; X is list"):
        TextTokenizer(times="at").fit(EVENTS["events"])


def test_list_views_of_arrow_hold_words():
    words = pa.array(EVENTS["events"], type=pa.list_view(pa.string()))
    assert TextTokenizer().fit_transform(pa.table({"words": words})).lengths.tolist() == [3, 2, 1]
