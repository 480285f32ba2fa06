"""Make the files in sklearn_rnn/datasets/data from the published ones. Run by hand, once a source.

python tools/pack_datasets.py SOURCE, where the folder SOURCE holds the published files::

    JapaneseVowels_{TRAIN,TEST}.ts  BasicMotions_{TRAIN,TEST}.ts   (.xz accepted)
    airline-passengers.csv                                         (.gz accepted)
    names.tar.xz                                                   one file a language

Numbers are stored as whole millionths, so each comes back as the float64 nearest to its decimals.
"""

import gzip
import io
import lzma
import sys
import tarfile
from pathlib import Path

import numpy as np

TARGET = Path(__file__).parents[1] / "sklearn_rnn" / "datasets" / "data"
MILLION = 1_000_000


def find(source: Path, name: str) -> bytes:
    """Read the file called name, plain or compressed, anywhere below source."""
    for suffix, decompress in (("", bytes), (".xz", lzma.decompress), (".gz", gzip.decompress)):
        for path in sorted(source.rglob(name + suffix)):
            return decompress(path.read_bytes())
    raise FileNotFoundError(f"{name} is not below {source}")


def read_ts(text: str) -> tuple[list[np.ndarray], list[str], list[str]]:
    """Read one .ts file into (steps, channels) arrays of millionths, labels and label names."""
    header, _, body = text.partition("@data")
    names = next(line.split()[2:] for line in header.splitlines() if line.startswith("@classLabel"))
    sequences, labels = [], []
    for line in body.split():
        *channels, label = line.split(":")
        decimals = np.array([channel.split(",") for channel in channels]).T.astype(np.float64)
        millionths = np.rint(decimals * MILLION)
        if not np.array_equal(millionths / MILLION, decimals):
            raise ValueError("a value has more than six decimals")
        sequences.append(millionths.astype(np.int32))
        labels.append(label)
    return sequences, labels, names


def pack_ts(source: Path, name: str, target: str) -> None:
    """Write one classification set: millionths, lengths, labels, the size of its train part."""
    parts = [read_ts(find(source, f"{name}_{part}.ts").decode()) for part in ("TRAIN", "TEST")]
    sequences = [sequence for part in parts for sequence in part[0]]
    names = parts[0][2]
    codes = [names.index(label) for part in parts for label in part[1]]
    np.savez_compressed(
        TARGET / target,
        millionths=np.concatenate(sequences),
        lengths=np.array([len(sequence) for sequence in sequences], dtype=np.int16),
        target=np.array(codes, dtype=np.int8),
        target_names=np.array(names),
        n_train=np.int64(len(parts[0][0])),
    )


def pack_csv(target: str, text: str) -> None:
    """Write a table as gzip without a date, so that the same table gives the same bytes."""
    (TARGET / target).write_bytes(gzip.compress(text.encode(), compresslevel=9, mtime=0))


def pack_air_passengers(source: Path) -> None:
    """Write the months and their passengers."""
    rows = find(source, "airline-passengers.csv").decode().replace('"', "").split()[1:]
    pack_csv("air_passengers.csv.gz", "\n".join(["month,passengers", *rows]) + "\n")


def pack_surnames(source: Path) -> None:
    """Write one surname and its language a row, in the published order."""
    rows = ["surname,language"]
    with tarfile.open(fileobj=io.BytesIO(next(source.rglob("names.tar.xz")).read_bytes())) as tar:
        for member in sorted(tar.getmembers(), key=lambda member: member.name):
            text = tar.extractfile(member).read().decode()
            names = [" ".join(line.split()) for line in text.splitlines()]
            rows += [f"{name},{Path(member.name).stem}" for name in names if name]
    pack_csv("surnames.csv.gz", "\n".join(rows) + "\n")


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    pack_ts(folder, "JapaneseVowels", "japanese_vowels.npz")
    pack_ts(folder, "BasicMotions", "basic_motions.npz")
    pack_air_passengers(folder)
    pack_surnames(folder)
