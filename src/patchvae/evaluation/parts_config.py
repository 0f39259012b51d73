"""What is measured of parts on digit scenes; the job has no settings of its own."""

from typing import Literal

from patchvae.result import Measurement, UnitShare
from patchvae.types import ABSENT, Strict


class TrivialScores(Strict):
    ap_occupied: UnitShare  # average precision of the best part for cells that hold any digit
    ap_repeated: UnitShare  # average precision of the best part for cells that hold the repeated digit
    nmi: None  # always null: the score knows no digits


class PartScores(TrivialScores):
    nmi: UnitShare  # type: ignore[assignment]  # normalised mutual information between parts and digits per cell


class PartsResult(Measurement):
    rule: Literal["parts"]  # the workflow's rule that wrote the file
    trained: PartScores  # the model
    untrained: PartScores  # the model before training, with BatchNorm statistics of the training images
    kmeans: PartScores  # k-means on raw patches
    deviation: TrivialScores = ABSENT  # trivial: the standard deviation of a cell's values
    occupied: TrivialScores = ABSENT  # trivial: an oracle that knows which cells hold a digit
