"""Mutual information, in bits, between a number per image and the image's label."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.floating]


class Information(NamedTuple):
    """Bits of N columns about one label: as counted, (N,), and with the labels permuted, (permutations, N).

    Counted from a finite number of images, the information is too high: of k bins and c classes that have nothing to do
    with each other, n images show about (k - 1)(c - 1) / (2 n ln 2) bits. Labels dealt out anew show as much, for
    whatever sizes the bins and classes have. So their mean is what is taken off.
    """

    counted: Floats
    permuted: Floats

    def record(self, columns: list[int]) -> dict[str, float]:
        """Of the mean over some columns: `bits` beyond chance, `chance`, and `error`, the deviation under permutation.

        The error is how far from 0 the bits of meaningless columns are, not how far other images would move them.
        """
        permuted = self.permuted[:, columns].mean(axis=1)
        chance = float(permuted.mean())
        return {
            "bits": float(self.counted[columns].mean()) - chance,
            "chance": chance,
            "error": float(permuted.std(ddof=1)),
        }


def equal_count_bins(values: Floats, bins: int) -> Ints:
    """The bin of each value, (n, N) -> (n, N) from 0 to bins - 1: as many values in each as ties allow.

    Equal values share the bin of their mean rank, so that a constant column has one bin and a column of zeros and ones
    two. Any increasing function of the values has the same bins.
    """
    ranks = rankdata(values, axis=0) - 0.5
    return np.floor(bins * ranks / len(values)).astype(np.int64)


def entropy(counts: Ints) -> float:
    """Of a distribution given by counts, in bits."""
    found = counts[counts > 0]
    total = found.sum()
    return float(np.log2(total) - (found * np.log2(found)).sum() / total)


def mutual_information(first: Ints, second: Ints) -> float:
    """I(first; second) >= 0 in bits of two columns (n,) of whole numbers from 0 on."""
    joint = np.bincount(first * (int(second.max()) + 1) + second)
    return max(entropy(np.bincount(first)) + entropy(np.bincount(second)) - entropy(joint), 0.0)


def information(bins: Ints, labels: Ints, orders: Ints) -> Information:
    """The information of each column of bins (n, N) about labels (n,); orders: permutations of the images, (P, n)."""
    columns = np.ascontiguousarray(bins.T)

    def of(dealt: Ints) -> list[float]:
        return [mutual_information(column, dealt) for column in columns]

    return Information(np.array(of(labels)), np.array([of(labels[order]) for order in orders]))
