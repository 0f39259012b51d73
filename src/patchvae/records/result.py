"""What a metrics file holds; what only one kind of job measures is in results.py.

A key that may be left out has no meaning for some models, or one file that is kept lacks it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import ConfigDict, Field, ValidationError

from patchvae.errors import PatchVAEError
from patchvae.params.types import ABSENT, AS_WRITTEN, Strict, said

FORMAT = 1  # of metrics files, their key `schema`
Number = Annotated[float, AS_WRITTEN]
Size = Annotated[float, Field(ge=0), AS_WRITTEN]
Positive = Annotated[float, Field(gt=0), AS_WRITTEN]
Percent = Annotated[float, Field(ge=0, le=100), AS_WRITTEN]
UnitShare = Annotated[float, Field(ge=0, le=1), AS_WRITTEN]
Whole = Annotated[int, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
Text = Annotated[str, Field(min_length=1)]
RightOrder = Literal["image digest"]  # `bits.BY_DIGEST`
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$"), said("a SHA-256 in 64 hex digits")]
Commit = Annotated[str, Field(pattern="^[0-9a-f]{12}[+]?$"), said("a commit in 12 hex digits, maybe with a +")]
Bits = Annotated[  # of `bits.packed_bits`
    str,
    Field(pattern="^[A-Za-z0-9+/]+={0,2}$", json_schema_extra={"contentEncoding": "base64"}),
    said("base64"),
]


class TrainDigest(Strict):
    train: Sha256  # of the training split


class Digests(TrainDigest):
    test: Sha256  # of the test split


class Versions(Strict):
    python: Text  # Python
    torch: Text  # PyTorch
    patchvae: Text  # this package


class Machine(Strict):
    device: Text  # processor or GPU, as it names itself
    threads: Count  # CPU threads
    versions: Versions  # versions of what the numbers may depend on


class Game(Strict):
    accuracy: Percent  # the discriminator's accuracy in the last epoch, percent
    fresh: Percent  # what a new discriminator reaches in a few steps against the finished networks, percent


class JobConfig(Strict):
    """A configuration, whose other keys the job's own model has checked."""

    model_config = ConfigDict(extra="allow")

    dataset: Text  # key of `datasets` in params.yaml
    variant: Text  # key of `variants` in params.yaml, or a swept variant
    seed: Whole  # seed of the pretraining and of what follows


class ModelConfig(Strict):
    model_config = ConfigDict(extra="allow")

    name: Text  # kind of the model


class Pretraining(Strict):
    """The pretraining behind a result, from its checkpoint."""

    dataset: Text  # key of `datasets`; another than the job's own where phi was pretrained with another's labels
    variant: Text  # another than the job's own in a sweep over the fine-tuning
    epochs: Whole  # epochs trained, up to the snapshot where one was taken; 0 for a control
    model: ModelConfig  # configuration of the model, as `patchvae resolve pretrain` prints it
    stand_in: bool  # whether its images only stand in for the data set
    game: Game | None  # how the game with a discriminator ended; null where there was none
    config_sha256: Sha256  # SHA-256 of the pretraining configuration's canonical JSON
    code_sha256: Sha256  # SHA-256 over the source files of the pretraining
    checkpoint_sha256: Sha256  # SHA-256 of the checkpoint file that was read
    data_sha256: TrainDigest  # SHA-256 of the images that it was trained on
    labels_sha256: TrainDigest = ABSENT  # SHA-256 of the labels of these images
    set_sha256: TrainDigest = ABSENT  # SHA-256 of the set of these images with their labels, whatever their order
    order_sha256: TrainDigest = ABSENT  # SHA-256 of the same images in the order in which they were packed


class Result(Strict):
    """The metrics file of any job; each kind adds what it measures."""

    format: Annotated[int, Field(ge=FORMAT, le=FORMAT)] = Field(alias="schema")  # version of this format
    rule: str  # the workflow's rule that wrote the file
    dataset: Text  # key of `datasets` in params.yaml
    variant: Text  # key of `variants` in params.yaml, or a swept variant such as patchvae.num_parts=4
    seed: Whole  # seed of the pretraining and the fine-tuning
    config: JobConfig  # the job's complete configuration, as `patchvae resolve` prints it
    config_sha256: Sha256  # SHA-256 of the configuration's canonical JSON
    code_sha256: Sha256  # SHA-256 over the statements of the source files that the job uses
    commit: Commit | None  # of the checkout, + behind it where its sources were edited; null without git
    data_sha256: Digests  # SHA-256 of the packed images, by split
    labels_sha256: Digests  # SHA-256 of the packed labels, by split
    set_sha256: Digests  # SHA-256 of the set of images with their labels, by split, whatever their order
    order_sha256: Digests  # SHA-256 of the same images in the order in which they were packed, by split
    versions: Versions  # versions of what the numbers may depend on
    device: Text  # processors or GPUs, as they name themselves, in the order in which the job ran on them
    machines: Annotated[list[Machine], Field(min_length=1)]  # all that the job ran on, the last one last
    precision: Literal["bf16", "fp32"]  # of the forward pass
    threads: Count  # CPU threads
    peak_memory_mb: Size  # the most memory held, in MB of 10^6 bytes: the GPU's where it ran on one, else RAM
    seconds: Size  # seconds of training and testing, those before an interruption included
    images_per_second: Size  # training images per second, testing included in the time; 0 when nothing was trained


R = TypeVar("R", bound=Result)


def checked_result(kind: type[R], path: Path | str, content: Mapping[str, Any]) -> R:
    """The content of a metrics file as a result; raises PatchVAEError naming the file and the first wrong key."""
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key, value = ".".join(map(str, first["loc"])), first["input"]
        words = [
            key if isinstance(value, list | dict) else f"{key} is {value!r}",
            first["msg"].removeprefix("Value error, "),
        ]
        raise PatchVAEError(": ".join([str(path), *filter(None, words)])) from error


class Measurement(Result):
    """The result of a job on a model that is there; the floors of few labels have none behind them."""

    pretraining: Pretraining = ABSENT  # the pretraining that was fine-tuned or measured, from its checkpoint
    split: Literal["test"]  # the images that are measured
    count: Count  # number of those images
