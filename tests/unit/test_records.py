"""What is read is held against what was wanted."""

import json
from pathlib import Path
from typing import Any

import pytest

from patchvae.errors import PatchVAEError
from patchvae.provenance import config_sha256
from patchvae.records import check_data, check_masks, check_metrics, digest, parse_wanted, recorded, write_record

CONFIG, PRETRAINED = {"lr": 0.1}, {"lr": 0.2}


def metrics(path: Path, **changes: Any) -> Path:
    content = {
        "dataset": "small",
        "config": CONFIG,
        "data_sha256": {"train": "a", "test": "b"},
        "labels_sha256": {"train": "c", "test": "d"},
        "pretraining": {
            "dataset": "other",
            "config_sha256": config_sha256(PRETRAINED),
            "data_sha256": {"train": "e"},
        },
        **changes,
    }
    path.write_text(json.dumps(content))
    return path


def packed(folder: Path, dataset: str, train: str, test: str, **more: str) -> None:
    """A manifest; more: further digests, a letter for each split."""
    (folder / dataset).mkdir(exist_ok=True)
    splits = {
        "train": {"sha256": train, "labels_sha256": "c", **{key: value[0] for key, value in more.items()}},
        "test": {"sha256": test, "labels_sha256": "d", **{key: value[1] for key, value in more.items()}},
    }
    (folder / dataset / "manifest.json").write_text(json.dumps({"splits": splits}))


def test_metrics_of_other_parameters_are_refused(tmp_path: Path) -> None:
    path = metrics(tmp_path / "m.json")
    wanted = recorded(json.loads(path.read_text()))
    assert wanted == f"{digest(CONFIG)}/{digest(PRETRAINED)}"
    check_metrics([path], [wanted], None)
    check_metrics([path], [], None)
    for other in (digest(CONFIG), f"{digest(PRETRAINED)}/{digest(PRETRAINED)}", f"{digest(CONFIG)}/{digest(CONFIG)}"):
        with pytest.raises(PatchVAEError, match=r"m\.json was measured with other parameters"):
            check_metrics([path], [other], None)
    with pytest.raises(PatchVAEError, match="1 digests for 2"):
        check_metrics([path, path], [wanted], None)


def test_a_configuration_is_hashed_anew_whatever_the_file_says_of_it(tmp_path: Path) -> None:
    path = metrics(tmp_path / "m.json")
    wanted = recorded(json.loads(path.read_text()))
    metrics(path, config={"lr": 1.0}, config_sha256=config_sha256(CONFIG))
    with pytest.raises(PatchVAEError, match="other parameters"):
        check_metrics([path], [wanted], None)


def test_metrics_of_other_data_are_refused(tmp_path: Path) -> None:
    path = metrics(tmp_path / "m.json")
    check_metrics([path], [], tmp_path)  # there is no data to compare with
    packed(tmp_path, "small", "a", "b")
    packed(tmp_path, "other", "e", "unseen")
    check_metrics([path], [], tmp_path)
    metrics(path, data_sha256={"train": "a", "test": "x"})
    with pytest.raises(PatchVAEError, match=r"m\.json was measured on other data than .*/small holds"):
        check_metrics([path], [], tmp_path)
    metrics(path, labels_sha256={"train": "x"})
    with pytest.raises(PatchVAEError, match="/small holds"):
        check_metrics([path], [], tmp_path)
    metrics(path, pretraining={"dataset": "other", "config_sha256": "0" * 64, "data_sha256": {"train": "x"}})
    with pytest.raises(PatchVAEError, match="/other holds"):
        check_metrics([path], [], tmp_path)


def reorderable(path: Path, **changes: Any) -> Path:
    """Metrics that know the set of their images; the files of both data sets below are others than theirs."""
    sets = {"set_sha256": {"train": "s", "test": "t"}, "order_sha256": {"train": "o", "test": "p"}}
    behind = {key: {"train": value["train"]} for key, value in sets.items()} | {"data_sha256": {"train": "e"}}
    pretraining = {"dataset": "other", "config_sha256": config_sha256(PRETRAINED), **behind}
    return metrics(path, **{**sets, "pretraining": pretraining, **changes})


def test_metrics_of_the_same_images_in_another_order_are_accepted_with_one_note(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = [reorderable(tmp_path / f"{number}.json") for number in range(3)]
    for dataset in ("small", "other"):
        packed(tmp_path, dataset, "a", "b", set_sha256="st", order_sha256="op")
    check_metrics(files, [], tmp_path)
    assert caplog.text == ""  # the files are not compared where the sets are known
    packed(tmp_path, "small", "a", "b", set_sha256="st", order_sha256="oq")
    check_metrics(files, [], tmp_path)
    (record,) = caplog.records
    assert "0.json was measured on the images of " in record.message and "2 other files" in record.message
    packed(tmp_path, "small", "a", "b", set_sha256="su", order_sha256="oq")
    with pytest.raises(PatchVAEError, match=r"0\.json was measured on other data than .*/small holds"):
        check_metrics(files, [], tmp_path)
    packed(tmp_path, "small", "a", "b", set_sha256="st", order_sha256="op")
    packed(tmp_path, "other", "e", "b", set_sha256="xt", order_sha256="op")
    with pytest.raises(PatchVAEError, match="/other holds"):
        check_metrics(files, [], tmp_path)


@pytest.mark.parametrize("text", ["{}", "[]", "{", "null", '{"config": 1}'])
def test_what_is_no_metrics_file_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "m.json"
    path.write_text(text)
    with pytest.raises(PatchVAEError, match=r"m\.json"):
        check_metrics([path], ["0"], tmp_path)


def test_data_and_masks_are_those_asked_for(tmp_path: Path) -> None:
    write_record(tmp_path, CONFIG, "code", images_sha256="a", sha256="m")
    check_data(tmp_path, {})
    check_data(tmp_path, {"data": digest(CONFIG)})
    with pytest.raises(PatchVAEError, match="other parameters"):
        check_data(tmp_path, {"data": digest(PRETRAINED)})
    masks = tmp_path / "train.npy"
    assert check_masks(masks, "a", {"masks": digest(CONFIG)}) == "m"
    with pytest.raises(PatchVAEError, match="other images"):
        check_masks(masks, "b", {})
    with pytest.raises(PatchVAEError, match="other parameters"):
        check_masks(masks, "a", {"masks": digest(PRETRAINED)})
    with pytest.raises(PatchVAEError, match="cannot read"):
        check_masks(tmp_path / "nowhere/train.npy", "a", {})


@pytest.mark.parametrize("pair", ["data", "data=", "masks", "else=1", "=1"])
def test_wanted_is_keys_and_digests(pair: str) -> None:
    assert parse_wanted(["data=1", "pretrained=2"]) == {"data": "1", "pretrained": "2"}
    with pytest.raises(PatchVAEError, match="--wanted"):
        parse_wanted([pair])
