"""Ridge regression on few or many images, and its leave-one-out predictions in closed form."""

from collections.abc import Sequence

import torch
from torch import Tensor

from patchvae.evaluation.ridge import one_hot

CHUNK = 5000  # rows that are in float64 besides those that are kept


class LeaveOneOut:
    """Ridge regression of one-hot targets on features, for any lambda by one eigendecomposition.

    For n images, let X (n, D) be the features less their mean, and Y the targets less theirs. The weights W minimise
    |X W - Y|^2 + n lambda |W|^2, so the intercept is not penalised: an image x scores mean(y) + (x - mean(x)) W. The
    features are taken as they are; lambda has the units of `Ridge` where they have mean 0 and deviation 1.

    An image that is left out is scored by the fit to the n - 1 others, with means of their own and the same n lambda.
    That is y - (y - score) / (1 - h), where h is its entry on the diagonal of 1/n + X (X'X + n lambda)^-1 X'. It is
    exact, since neither the penalty nor what the features were scaled by depends on the image.

    Up to n = D the eigenvectors are those of XX' (n, n), else those of X'X (D, D).
    """

    def __init__(self, features: Tensor, labels: Tensor, classes: int) -> None:
        """features: (n, D), labels: (n,) from 0, n at least 2; both on one device."""
        self.labels, self.count = labels, len(labels)
        self.centred, targets = features.to(torch.float64, copy=True), one_hot(labels, classes)
        self.mean, self.prior = self.centred.mean(0), targets.mean(0)
        self.centred -= self.mean
        self.targets = targets - self.prior
        self.dual = self.count <= features.shape[1]
        if self.dual:
            gram = self.centred @ self.centred.T
            # The constant vector, of eigenvalue 0, gets the largest one, which sets it apart from other zeros.
            self.largest = gram.trace()
            values, self.vectors = torch.linalg.eigh(gram + self.largest / self.count)
            self.rotated = self.vectors.T @ self.targets
        else:
            values, self.vectors = torch.linalg.eigh(self.centred.T @ self.centred)
            self.rotated = self.vectors.T @ (self.centred.T @ self.targets)
            for part in self.centred.split(CHUNK):
                part.copy_(part @ self.vectors)  # in place: they may take a gigabyte
        self.values = values.clamp_(min=0)  # zeros come out as tiny numbers of either sign

    def inverse(self, penalty: float) -> Tensor:
        """The eigenvalues of (XX' + n lambda)^-1 or (X'X + n lambda)^-1, lambda above 0."""
        return 1 / (self.values + self.count * penalty)

    def weights(self, penalty: float) -> Tensor:
        """W (D, classes) at a lambda above 0."""
        weights = self.vectors @ (self.rotated * self.inverse(penalty)[:, None])
        return self.centred.T @ weights if self.dual else weights

    def left_out(self, penalty: float) -> Tensor:
        """The scores (n, classes) of each image by the fit to the others, at a lambda above 0."""
        inverse, absolute = self.inverse(penalty), self.count * penalty
        if self.dual:  # both parts of the quotient over n lambda, as a small lambda leaves nothing of 1 - h
            residual = self.vectors @ (self.rotated * inverse[:, None])
            rest = self.vectors.square() @ inverse - 1 / (self.count * (self.largest + absolute))
        else:
            residual = self.targets - self.centred @ (self.rotated * inverse[:, None])
            leverage = torch.cat([part.square() @ inverse for part in self.centred.split(CHUNK)])
            rest = 1 - 1 / self.count - leverage
        return self.targets + self.prior - residual / rest[:, None]

    def left_out_top1(self, penalties: Sequence[float]) -> dict[float, float]:
        """Top-1 accuracy (%) of the left-out images by lambda."""
        found = ((self.left_out(penalty).argmax(1) == self.labels).sum() for penalty in penalties)
        return {penalty: 100 * int(right) / self.count for penalty, right in zip(penalties, found, strict=True)}

    def guesses(self, features: Tensor, penalty: float) -> Tensor:
        """The likeliest class (m,) of images with features (m, D)."""
        weights = self.weights(penalty)
        return torch.cat(
            [((part.double() - self.mean) @ weights + self.prior).argmax(1) for part in features.split(CHUNK)]
        )
