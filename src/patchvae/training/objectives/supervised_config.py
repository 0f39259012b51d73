"""Settings of a pretraining with labels."""

from typing import Literal

from patchvae.training.pretrain_config import N, Trained

Labels = Literal["given", "shuffled"]


class SupervisedPretrain(Trained[N]):
    labels: Labels
