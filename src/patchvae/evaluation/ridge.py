"""Ridge regression on one-hot targets, in closed form, from sums over batches."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

Batches = Iterable[tuple[Tensor, Tensor]]  # features (B, D) float64 and labels (B,)

CONSTANT = 1e-6  # a feature whose relative deviation is less is constant: float32 rounds to 6e-8
EXTENSIONS = 8  # of the range of lambda, at most


@dataclass
class Moments:
    """Sums over images, of size (D, D) at most, from which everything follows.

    They are float64 sums of x - pivot. The pivot is close to the mean, so rounding costs some 1e-16 of a feature's
    variance; sums of x itself would lose as much of the mean's square. The x are float32, so their differences and
    products are nearly exact. A constant feature gives exact zeros.
    """

    pivot: Tensor  # (D,)
    gram: Tensor  # (D, D)
    cross: Tensor  # (D, classes): the sum over the images of each class
    counts: Tensor  # (classes,): images of each class

    def __iadd__(self, other: "Moments") -> "Moments":
        """Add the sums of other moments with the same pivot."""
        self.gram += other.gram
        self.cross += other.cross
        self.counts += other.counts
        return self


def one_hot(labels: Tensor, classes: int) -> Tensor:
    """Labels (B,) -> (B, classes) in float64."""
    return F.one_hot(labels, classes).double()


def moments(batches: Batches, classes: int, pivot: Tensor | None = None) -> Moments:
    """The moments of all batches; pivot (D,): by default the mean of the first batch."""
    found: Moments | None = None
    for features, labels in batches:
        if found is None:
            pivot = features.mean(0) if pivot is None else pivot
            gram, cross = pivot.new_zeros(len(pivot), len(pivot)), pivot.new_zeros(len(pivot), classes)
            found = Moments(pivot, gram, cross, pivot.new_zeros(classes))
        centred, targets = features - found.pivot, one_hot(labels, classes)
        found.gram.addmm_(centred.T, centred)
        found.cross.addmm_(centred.T, targets)
        found.counts += targets.sum(0)
    assert found is not None
    return found


def inverse_deviation(variance: Tensor, mean: Tensor) -> Tensor:
    """One over the deviation of each feature (D,), and 0 for a constant one."""
    return torch.where(variance > CONSTANT**2 * (variance + mean**2), variance.rsqrt(), 0.0)


class Ridge:
    """Ridge regression of one-hot targets on standardised features, for any lambda by one eigendecomposition.

    For n images, let Z be the standardised features and Y the centred targets. The weights W minimise
    |Z W - Y|^2 + n lambda |W|^2. So the intercept is not penalised, and lambda is in units of the mean eigenvalue of
    Z'Z / n, which is 1 (less by the share of constant features, which become 0).
    """

    def __init__(self, moments: Moments) -> None:
        count = moments.counts.sum()
        shift = moments.cross.sum(1) / count  # every image is of one class
        self.mean, self.prior = moments.pivot + shift, moments.counts / count
        covariance = (moments.gram / count).addr_(shift, shift, alpha=-1)
        variance = covariance.diagonal().clone()
        self.scale = inverse_deviation(variance, self.mean)
        covariance *= self.scale
        covariance *= self.scale[:, None]
        target = (moments.cross / count).addr_(shift, self.prior, alpha=-1) * self.scale[:, None]
        values, self.vectors = torch.linalg.eigh(covariance)
        self.values = values.clamp_(min=0)  # zeros come out as tiny numbers of either sign
        self.rotated = self.vectors.T @ target

    def weights(self, penalty: float) -> Tensor:
        """W (D, classes) at a lambda above 0."""
        return self.vectors @ (self.rotated / (self.values + penalty)[:, None])

    def scores(self, features: Tensor, weights: Tensor) -> Tensor:
        """Features (B, D), not standardised -> (B, classes), the higher the likelier."""
        return self.standardise(features) @ weights + self.prior

    def standardise(self, features: Tensor) -> Tensor:
        """Features (B, D) less their means, over their deviations, both from the moments."""
        return (features - self.mean) * self.scale

    def right(self, batches: Batches, weights: Tensor, best: int = 1) -> Tensor:
        """Which of the `best` likeliest classes is the label, (n, best) bool, image by image."""
        found = [self.scores(features, weights).topk(best).indices == labels[:, None] for features, labels in batches]
        return torch.cat(found)


@dataclass(frozen=True)
class Choice:
    """The best lambda, the top-1 accuracy (%) of each on images that were not fitted, and whether it ends the range."""

    penalty: float
    tried: dict[float, float]
    at_edge: bool


def choose(top1_at: Callable[[Sequence[float]], dict[float, float]], penalties: Sequence[float]) -> Choice:
    """The lambda of the best top-1 accuracy, of equal ones the largest.

    top1_at: top-1 accuracies by lambda, on images that were not fitted; penalties: at least two, the initial range.
    Where the best is at an end, the range grows there by the ratio of its last two, at most EXTENSIONS times.
    """
    tried = top1_at(sorted(set(penalties)))
    for extension in range(EXTENSIONS + 1):
        best = max(tried, key=lambda penalty: (tried[penalty], penalty))
        ordered = sorted(tried)
        if best not in (ordered[0], ordered[-1]):
            return Choice(best, tried, False)
        if extension < EXTENSIONS:
            neighbour = ordered[1] if best == ordered[0] else ordered[-2]
            tried |= top1_at([best * (best / neighbour)])
    return Choice(best, tried, True)


def accuracies(ridge: Ridge, batches: Batches, penalties: Sequence[float]) -> dict[float, float]:
    """Top-1 accuracy, percent, by lambda, all in one pass over the batches."""
    weights = [ridge.weights(penalty) for penalty in penalties]
    right, count = torch.zeros(len(weights), dtype=torch.int64), 0
    for features, labels in batches:
        standardised = ridge.standardise(features)
        guesses = [(standardised @ one + ridge.prior).argmax(1) for one in weights]
        right += torch.stack([(guess == labels).sum() for guess in guesses]).cpu()
        count += len(labels)
    return {penalty: 100 * hits / count for penalty, hits in zip(penalties, right.tolist(), strict=True)}
