"""What a metrics file holds: what every job writes into it (`Result`), and what each kind of job measures.

A key that may be left out has no meaning for some models, or one file that is kept lacks it.
"""

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from patchvae.params.types import ABSENT, AS_WRITTEN, Regime, Strict, said

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
MasksSha256 = Annotated[str, Field(pattern="^([0-9a-f]{64})?$"), said("a SHA-256 in 64 hex digits, or empty")]
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
    model: ModelConfig  # configuration of the model, as in the pretraining's job file
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
    config: JobConfig  # the job's complete configuration, as in its file below jobs/
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


class Measurement(Result):
    """The result of a job on a model that is there; the floors of few labels have none behind them."""

    pretraining: Pretraining = ABSENT  # the pretraining that was fine-tuned or measured, from its checkpoint
    split: Literal["test"]  # the images that are measured
    count: Count  # number of those images


# ---- kinds of jobs


class Terms(Strict):
    """Means over an epoch's steps, per image, and NAME_max, the largest of a step."""

    loss: Number = ABSENT  # what the encoder and decoder minimise: the sum of the terms that the variant has
    reconstruction: Number = ABSENT  # squared error, plain or L_w, summed over pixels and channels
    kl: Number = ABSENT  # beta-VAE: beta x KL of the latent code
    kl_occ: Number = ABSENT  # PatchVAE: beta_occ x KL of the occurrences
    kl_app: Number = ABSENT  # PatchVAE: beta_app x KL of the appearances
    adversarial: Number = ABSENT  # -GAN: weight x loss of the reconstructions taken for fake
    discriminator: Number = ABSENT  # -GAN, BiGAN: the discriminator's own loss
    discriminator_accuracy: Percent = ABSENT  # the discriminator's on each batch before its step, percent; chance: 50
    train_top1: Percent = ABSENT  # training with labels: top-1 accuracy on the training batches, percent
    loss_max: Number = ABSENT  # the largest loss of a step
    reconstruction_max: Number = ABSENT  # the largest reconstruction of a step
    kl_max: Number = ABSENT  # the largest kl of a step
    kl_occ_max: Number = ABSENT  # the largest kl_occ of a step
    kl_app_max: Number = ABSENT  # the largest kl_app of a step
    adversarial_max: Number = ABSENT  # the largest adversarial of a step
    discriminator_max: Number = ABSENT  # the largest discriminator of a step
    discriminator_accuracy_max: Percent = ABSENT  # the largest discriminator_accuracy of a step
    train_top1_max: Percent = ABSENT  # the largest train_top1 of a step


class PretrainEpoch(Terms):
    epoch: Count  # number of the epoch, from 1
    loss: Number  # what the encoder and decoder minimise


class PretrainResult(Result):
    rule: Literal["pretrain"]  # the workflow's rule that wrote the file
    loss: Terms  # the last epoch's loss terms; empty for a control
    history: list[PretrainEpoch]  # one record per epoch: its number and its loss terms; empty for a control
    epochs: Whole  # epochs trained; 0 for a control
    batch_size: Whole  # images per step, fewer than asked for where there are not so many; 0 for a control
    masks_sha256: MasksSha256  # SHA-256 of the weight masks; empty without L_w
    game: Game | None  # how the game with a discriminator ended; null where there was none
    checkpoint_sha256: Sha256  # SHA-256 of the checkpoint file that was written


class Accuracy(Strict):
    last: Percent  # after the last epoch
    best: Percent  # at the best epoch, chosen on the test images
    best_epoch: Count  # the first epoch with the best accuracy


class FinetuneEpoch(Strict):
    epoch: Count  # number of the epoch, from 1
    loss: Size  # cross-entropy, mean over the epoch's steps
    loss_max: Size  # the largest cross-entropy of a step
    train_top1: Percent  # top-1 accuracy on the training batches as they were seen, percent
    train_top1_max: Percent  # the highest accuracy on a training batch, percent
    test_top1: Percent  # top-1 accuracy on the test images after the epoch, percent
    test_top5: Percent  # top-5 accuracy on the test images after the epoch, percent


class FinetuneResult(Measurement):
    model_config = ConfigDict(json_schema_extra={"dependentRequired": {"right": ["right_order"]}})

    rule: Literal["finetune"]  # the workflow's rule that wrote the file
    regime: Regime  # which first layers stay frozen (Sec. 4.1)
    head: Text  # the classifier's settings, key of `heads` in params.yaml
    top1: Accuracy  # top-1 accuracy, percent
    top5: Accuracy  # top-5 accuracy, percent
    train_top1: Percent  # the last epoch's accuracy on the training batches as they were seen, percent
    train_images: Count  # number of labelled images that were trained on
    right: Bits = ABSENT  # whether each test image was right after the last epoch, in the order of right_order
    right_order: RightOrder = ABSENT  # ascending by the SHA-256 of each image's pixels and label
    history: Annotated[list[FinetuneEpoch], Field(min_length=1)]  # one record per epoch
    epochs: Whole  # epochs trained
    batch_size: Whole  # images per step, fewer than asked for where there are not so many
    lr: Positive = ABSENT  # the rate that `rates` has chosen, where the configuration says `chosen`

    @model_validator(mode="after")
    def bits_have_an_order(self) -> Self:
        if self.right is not None and self.right_order is None:
            raise ValueError("right: without right_order")
        return self


class TriedRate(Strict):
    lr: Positive  # initial learning rate
    held_out_top1: Percent | None  # top-1 accuracy on the images left out after the last epoch; null: it diverged
    train_top1: Percent | None  # the last epoch's accuracy on the training batches as seen; null: it diverged


class Scale(Strict):
    mean_abs: Size  # mean absolute value
    largest_eigenvalue: Size  # largest eigenvalue of the second moment of an image's features


class RatesResult(Measurement):
    rule: Literal["rates"]  # the workflow's rule that wrote the file
    regime: Regime  # which first layers stay frozen (Sec. 4.1)
    head: Text  # the classifier's settings, key of `heads` in params.yaml
    split: Literal["train"]  # type: ignore[assignment]  # the measured images: training images that were left out
    train_images: Count  # number of labelled images that were trained on
    lr: Positive  # the smallest of the rates with the best accuracy
    at_edge: bool  # whether that is still an end of the rates that were tried
    rates: Annotated[list[TriedRate], Field(min_length=2)]  # every rate that was tried, ascending
    epochs: Count  # epochs of each training
    batch_size: Whole  # images per step, fewer than asked for where there are not so many
    features: Scale | None  # of those that the classifier sees of the training images; null where they are not kept


class TriedStrength(Strict):
    penalty: Positive = Field(alias="lambda")  # strength of the ridge
    held_out_top1: Percent  # top-1 accuracy on the images held out, percent


class RidgeResult(Measurement):
    """What both kinds of ridge regression say of their features."""

    features: Count  # number of features of an image
    constant_features: Whole  # how many of them are the same for all training images


class ProbeResult(RidgeResult):
    rule: Literal["probe"]  # the workflow's rule that wrote the file
    top1: Percent  # top-1 accuracy on the test images, percent
    top5: Percent  # top-5 accuracy on the test images, percent
    train_top1: Percent  # top-1 accuracy on all labelled training images, percent
    train_count: Annotated[int, Field(ge=2)]  # number of labelled training images, all of which are fitted in the end
    held_out: Count  # how many of them the strength of the ridge was chosen on
    penalty: Positive = Field(alias="lambda")  # the chosen strength of the ridge, relative to the number of images
    lambdas: Annotated[list[TriedStrength], Field(min_length=2)]  # every strength that was tried, smallest first
    at_edge: bool  # whether the chosen strength ends the range that was tried
    right: Bits  # whether each test image was right, in the order that right_order names
    right_order: RightOrder  # ascending by the SHA-256 of each image's pixels and label


class Fit(Strict):
    per_class: Literal["all"] | Count  # labelled training images of each class: so many, or all
    draw: Whole  # number of the draw of these images, from 0
    images: Annotated[int, Field(ge=2)]  # number of labelled training images
    top1: Percent  # top-1 accuracy on the test images, percent
    left_out_top1: Percent  # top-1 accuracy on the labelled images, each left out of its fit, percent
    penalty: Positive = Field(alias="lambda")  # the strength at which that is best, relative to the number of images
    at_edge: bool  # whether the chosen strength ends the range that was tried


class FewLabelsResult(RidgeResult):
    rule: Literal["few_labels"]  # the workflow's rule that wrote the file
    fits: Annotated[list[Fit], Field(min_length=1)]  # one fit per draw of each number of labels


class Reconstructions(Measurement):
    temperature: Positive = ABSENT  # at which occurrences were sampled; of no effect on a β-VAE, nor on means


class ReconstructResult(Reconstructions):
    rule: Literal["reconstruct"]  # the workflow's rule that wrote the file
    psnr: Number  # PSNR on [0, 1] images, dB, mean over images
    ssim: Annotated[float, Field(ge=-1, le=1), AS_WRITTEN]  # SSIM on [0, 1] images, mean over images
    psnr_normalised: Number  # with peak 1 on images normalised by ImageNet's mean and deviation, dB, mean (E60)


class FidResult(Reconstructions):
    rule: Literal["fid"]  # the workflow's rule that wrote the file
    fid: Size | None  # FID between the images and their reconstructions; null where it could not be computed
    why: str = ABSENT  # why there is no FID, one sentence


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
    deviation: TrivialScores  # trivial: the standard deviation of a cell's values
    occupied: TrivialScores  # trivial: an oracle that knows which cells hold a digit


class Distances(Strict):
    euclidean: Size  # Euclidean distance of the features
    cosine: Size  # one minus the cosine of the angle between them


class InSpaces(Strict):
    pretrained: Distances  # in the features of the reference
    random: Distances  # in the features of a random phi of another seed


class RandomCrops(Strict):
    distance: Distances  # mean over pairs of random crops
    error: Distances  # its standard deviation from one random set to the next, as a share of it


class RandomInSpaces(Strict):
    pretrained: RandomCrops  # in the features of the reference
    random: RandomCrops  # in the features of a random phi of another seed


class Information(Strict):
    bits: Number  # mutual information with the label less `chance`, in bits; may be below 0
    chance: Size  # its mean over permutations of the labels, in bits
    error: Size  # its standard deviation over those, in bits


class OfLabels(Strict):
    of_class: Information = Field(alias="class")  # with the classes
    superclass: Information = ABSENT  # with the superclasses, where the data set has those


class Part(OfLabels):
    dead: bool  # whether its share is below 0.001
    share: UnitShare  # share of the cells in which its probability is above 0.5
    probability: UnitShare  # its mean probability over images and cells
    deviation: Size  # the standard deviation of its probability over images and cells
    distance: InSpaces  # between its strongest crops, one per image, over that between random ones
    strongest: Annotated[list[Whole], Field(min_length=1)]  # best first: image x cells of the grid + cell, row by row


class PartMeans(Strict):
    all: OfLabels | None  # of all parts
    live: OfLabels | None  # of those that are not dead; null without one


class Parts(Strict):
    parts: Annotated[list[Part], Field(min_length=1)]  # one by one
    mean: PartMeans  # mean information


class RealPartsResult(Measurement):
    rule: Literal["real_parts"]  # the workflow's rule that wrote the file
    reference: Pretraining  # the pretraining in whose features crops are compared
    grid: Annotated[list[Count], Field(min_length=2, max_length=2)]  # rows and columns of the occurrence maps
    random_crops: RandomInSpaces  # random crops of the same images, whose distances all others are divided by
    trained: Parts  # the parts of the model
    untrained: Parts  # those of the model before training, with BatchNorm statistics of the training images
    kmeans: Parts  # as many clusters of raw crops
    shuffled: Parts  # the model's maps, dealt out among the images
