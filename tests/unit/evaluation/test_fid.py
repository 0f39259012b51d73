"""FID: closed forms, the Inception weights' three fates, and the whole job with a network of random weights."""

import hashlib
import json
import logging
import re
import socket

import numpy as np
import pytest
import pytorch_fid.fid_score
import pytorch_fid.inception
import torch

from patchvae.data.inception import fetch_inception, weights_or_reason, weights_path
from patchvae.data.packed import PackedSplit, load_split, write_packed
from patchvae.errors import PatchVAEError
from patchvae.evaluation.fid import MeanAndCovariance, features, frechet_distance
from patchvae.jobs.computing import compute
from patchvae.records.metrics_files import read_metrics

CPU = torch.device("cpu")
# The deprecation that pytorch-fid 0.3.0 runs into; SciPy 1.18 will refuse it.
pytestmark = pytest.mark.filterwarnings("ignore:The `disp` argument is deprecated")


def fid(config, data, model, status, out):
    compute("fid", config, data, out, "cpu", 1, checkpoint=model, inception=status)


def moments(samples):
    result = MeanAndCovariance(samples.shape[1], CPU)
    for batch in samples.split(64):
        result.add(batch)
    return result


def whitened(count, dims, seed):
    """Samples whose mean is exactly 0 and whose covariance is exactly the identity."""
    samples = torch.randn(count, dims, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    samples -= samples.mean(0)
    return samples @ torch.linalg.inv(torch.linalg.cholesky(samples.T @ samples / (count - 1))).T


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty TORCH_HOME, and no network."""

    def refuse(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr("patchvae.data.sources.PAUSE", 0.0)
    return tmp_path / "torch"


@pytest.fixture
def local(tmp_path):
    """A small file that stands for the weights: (path, its hex digest)."""
    path = tmp_path / "weights.pth"
    path.write_bytes(b"weights")
    return path, hashlib.sha256(b"weights").hexdigest()


def test_moments_are_those_of_numpy():
    samples = 100 + torch.randn(200, 5) @ torch.randn(5, 5)
    mean, covariance = moments(samples).moments()
    assert mean == pytest.approx(samples.double().numpy().mean(0), rel=1e-12)
    assert covariance == pytest.approx(np.cov(samples.double().numpy(), rowvar=False), rel=1e-6)


def test_fid_of_a_set_with_itself_is_zero():
    samples = torch.randn(300, 8, generator=torch.Generator().manual_seed(0))
    assert frechet_distance(moments(samples), moments(samples)) == pytest.approx(0, abs=1e-6)


def test_equal_covariances_leave_the_squared_distance_of_the_means():
    samples = torch.randn(300, 4, generator=torch.Generator().manual_seed(0)).double()
    shift = torch.tensor([1.0, -2.0, 0.5, 0.0])
    assert frechet_distance(moments(samples), moments(samples + shift)) == pytest.approx(5.25, abs=1e-6)


def test_covariances_that_commute_add_the_squared_distance_of_the_deviations():
    one, other = whitened(500, 3, 0), whitened(400, 3, 1)
    deviations, others, shift = (torch.tensor(v) for v in ([1.0, 2.0, 3.0], [2.0, 0.5, 3.0], [0.0, 0.0, 2.0]))
    expected = 4 + 1 + 2.25
    assert frechet_distance(moments(one * deviations), moments(other * others + shift)) == pytest.approx(expected)


def test_features_that_are_not_numbers():
    with pytest.raises(PatchVAEError, match="the FID cannot be computed"):
        frechet_distance(moments(torch.full((4, 2), float("nan"))), moments(torch.randn(4, 2)))


def test_images_are_rounded_as_in_a_file():
    seen = []
    features(lambda images: seen.append(images) or [images], torch.tensor([-0.1, 0.2501, 1.2]).view(1, 3, 1, 1))
    assert (seen[0].flatten() * 255).tolist() == pytest.approx([0, 64, 255])


@pytest.mark.parametrize("as_url", [False, True])
def test_local_weights_are_put_where_pytorch_fid_looks(as_url, home, local, tmp_path):
    path, digest = local
    location = path.as_uri() if as_url else str(path)
    fetch_inception({"location": location, "checksum": f"sha256:{digest}"}, tmp_path / "status.json")
    expected = home / "hub/checkpoints" / pytorch_fid.inception.FID_WEIGHTS_URL.rpartition("/")[2]
    status = json.loads((tmp_path / "status.json").read_text())
    assert status == {"state": "present", "sha256": digest}  # the same on every machine
    assert expected.read_bytes() == b"weights" and list(expected.parent.iterdir()) == [expected]
    assert weights_or_reason(tmp_path / "status.json") == expected == weights_path()


def test_weights_that_are_there_are_not_fetched_again(home, local, tmp_path):
    _, digest = local
    weights_path().parent.mkdir(parents=True)
    weights_path().write_bytes(b"weights")
    config = {"location": "https://host.invalid/weights", "checksum": f"sha256:{digest}"}
    fetch_inception(config, tmp_path / "status.json")
    assert weights_or_reason(tmp_path / "status.json") == weights_path()


@pytest.mark.parametrize(
    ("location", "checksum", "why"),
    [
        ("https://host.invalid/weights", "0" * 64, "cannot download Inception weights from .*: no network"),
        ("/nowhere/weights.pth", "0" * 64, "the Inception weights are not at /nowhere/weights.pth"),
        ("LOCAL", "0" * 64, "has the checksum sha256:.* instead of the expected sha256:0000"),
        ("gopher://host.invalid/weights", "0" * 64, "must be an http"),
    ],
)
def test_weights_that_cannot_be_had(location, checksum, why, home, local, tmp_path, caplog):
    weights_path().parent.mkdir(parents=True)
    weights_path().write_bytes(b"others")
    location = str(local[0]) if location == "LOCAL" else location
    with caplog.at_level(logging.WARNING):
        fetch_inception({"location": location, "checksum": f"sha256:{checksum}"}, tmp_path / "status.json")
    status = json.loads((tmp_path / "status.json").read_text())
    assert set(status) == {"state", "why"} and status["state"] == "missing" and "\n" not in status["why"]
    assert f"FIDs will be left out: {status['why']}" in caplog.messages
    assert re.search(why, status["why"]) and weights_or_reason(tmp_path / "status.json") == status["why"]
    assert list(weights_path().parent.iterdir()) == [weights_path()] and weights_path().read_bytes() == b"others"


@pytest.mark.parametrize("fate", ["absent", "altered", "broken status"])
def test_weights_that_are_gone(fate, home, local, config, pretrain_config, scenes, save_model, tmp_path):
    path, digest = local
    status = tmp_path / "status.json"
    fetch_inception({"location": str(path), "checksum": f"sha256:{digest}"}, status)
    message = "absent or altered: delete .*status.json"
    if fate == "absent":
        weights_path().unlink()
    elif fate == "altered":
        weights_path().write_bytes(b"weight.")
    else:
        status.write_text('{"state": "present"}')
        message = "status.json does not say"
    with pytest.raises(PatchVAEError, match=message):
        fid(config(), scenes, save_model(pretrain_config()), status, tmp_path / "metrics.json")
    assert not (tmp_path / "metrics.json").exists()


def test_without_weights_the_fid_is_null(home, config, pretrain_config, scenes, save_model, tmp_path, caplog):
    (tmp_path / "status.json").write_text('{"state": "missing", "why": "there is no network"}')
    with caplog.at_level(logging.WARNING):
        fid(config(), scenes, save_model(pretrain_config()), tmp_path / "status.json", tmp_path / "metrics.json")
    record = read_metrics(tmp_path / "metrics.json")
    assert (record["rule"], record["split"], record["count"]) == ("fid", "test", 60)
    assert record["pretraining"]["variant"] == "patchvae" and record["pretraining"]["epochs"] == 2
    assert record["fid"] is None and record["why"] == "there is no network"
    assert any("there is no network" in message for message in caplog.messages)


def test_weights_of_another_network(home, config, pretrain_config, scenes, save_model, tmp_path):
    torch.save({"weight": torch.zeros(1)}, tmp_path / "other.pth")
    digest = hashlib.sha256((tmp_path / "other.pth").read_bytes()).hexdigest()
    fetch_inception({"location": str(tmp_path / "other.pth"), "checksum": f"sha256:{digest}"}, tmp_path / "status.json")
    with pytest.raises(PatchVAEError, match="6726825d.pth: not the weights of pytorch-fid's Inception"):
        fid(config(), scenes, save_model(pretrain_config()), tmp_path / "status.json", tmp_path / "metrics.json")


@pytest.fixture
def random_inception(home, monkeypatch, tmp_path):
    """The status file of an Inception with random weights."""
    with monkeypatch.context() as patch:
        patch.setattr(pytorch_fid.inception, "load_state_dict_from_url", lambda *args, **kwargs: {})
        patch.setattr(torch.nn.Module, "load_state_dict", lambda *args, **kwargs: None)
        torch.manual_seed(0)
        torch.save(pytorch_fid.inception.fid_inception_v3().state_dict(), tmp_path / "random.pth")
    digest = hashlib.sha256((tmp_path / "random.pth").read_bytes()).hexdigest()
    config = {"location": str(tmp_path / "random.pth"), "checksum": f"sha256:{digest}"}
    fetch_inception(config, tmp_path / "status.json")
    return tmp_path / "status.json"


def test_the_whole_job(random_inception, config, pretrain_config, scenes, save_model, tmp_path, monkeypatch):
    """All but the root of a 2048 x 2048 matrix, which takes longer than the rest."""
    given = {}

    def squared_distance_of_means(mean, covariance, other_mean, other_covariance):
        given.update(mean=mean, covariance=covariance, other=other_covariance)
        return ((mean - other_mean) ** 2).sum()

    few = np.array(load_split(scenes, "test").images[:4])
    split = PackedSplit(few, np.array([0, 1, 0, 1]))
    write_packed(tmp_path / "few", "digits", "digit-scenes", ["0", "1"], {"train": split, "test": split}, {})
    monkeypatch.setattr(pytorch_fid.fid_score, "calculate_frechet_distance", squared_distance_of_means)
    fid(config(), tmp_path / "few", save_model(pretrain_config()), random_inception, tmp_path / "metrics.json")
    record = read_metrics(tmp_path / "metrics.json")
    assert record["count"] == 4 and record["fid"] > 0 and "why" not in record
    network = pytorch_fid.inception.InceptionV3([3]).eval()
    with torch.no_grad():
        expected = network(torch.from_numpy(few).permute(0, 3, 1, 2).float() / 255)[0][:, :, 0, 0].double().numpy()
    assert given["mean"] == pytest.approx(expected.mean(0), rel=1e-4, abs=1e-6)
    assert given["covariance"].shape == given["other"].shape == (2048, 2048)
    assert np.trace(given["covariance"]) == pytest.approx(expected.var(0, ddof=1).sum(), rel=1e-3)
