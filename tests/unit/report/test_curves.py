"""Learning curves as CSV: a row per training and epoch, none of a control, and one sentence for a wrong file."""

import json

import pytest
from table_files import epoch, finetuning, metrics

from patchvae.errors import PatchVAEError
from patchvae.report.tables.curves import report as report_curves


def pretraining(variant, seed, *losses):
    history = [{"epoch": epoch, "loss": loss, "kl": 0.5} for epoch, loss in enumerate(losses, 1)]
    return metrics("pretrain", variant, "small", seed, history=history)


def fine_tuned(variant, regime, *accuracies):
    history = [
        epoch(number, 9.0) | {"loss": 1 / 3, "test_top1": top1, "test_top5": 99.0}
        for number, top1 in enumerate(accuracies, 1)
    ]
    return finetuning(variant, "small", regime, 0, accuracies[-1]) | {"history": history}


def save(folder, content, name):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def write(pretrainings, finetunings):
    """The lines of both CSVs."""
    made = report_curves({}, pretrainings, finetunings)
    return tuple(made[f"{kind}_csv"].splitlines() for kind in ("pretrain", "finetune"))


def test_a_row_per_training_and_epoch_in_one_order(tmp_path):
    pretrainings = [
        save(tmp_path, pretraining("patchvae", 1, 3.0, 2.0), "1.json"),
        save(tmp_path, pretraining("patchvae", 0, 1234567.891, 1e-7), "0.json"),
        save(tmp_path, pretraining("beta-vae", 0, 5.0), "vae.json"),
    ]
    finetunings = [
        save(
            tmp_path,
            fine_tuned("patchvae", "conv1", 10.0, 12.5),
            "finetune/table1/conv1/table12/patchvae/small/seed0.json",
        ),
        save(tmp_path, fine_tuned("p.n=4", "conv1", 9.375), "finetune/num_parts/conv1/table12/p.n=4/small/seed0.json"),
    ]
    pretrained, finetuned = write(pretrainings, finetunings)
    assert pretrained == [
        "dataset,model,seed,epoch,loss",
        "small,beta-vae,0,1,5",
        "small,patchvae,0,1,1.23457e+06",
        "small,patchvae,0,2,1e-07",
        "small,patchvae,1,1,3",
        "small,patchvae,1,2,2",
    ]
    assert finetuned == [
        "table,dataset,regime,head,model,seed,epoch,loss,test_top1",
        "num_parts,small,conv1,table12,p.n=4,0,1,0.333333,9.375",
        "table1,small,conv1,table12,patchvae,0,1,0.333333,10",
        "table1,small,conv1,table12,patchvae,0,2,0.333333,12.5",
    ]
    assert write(pretrainings[::-1], finetunings[::-1]) == (pretrained, finetuned)


def test_controls_have_no_curve(tmp_path):
    pretrained, finetuned = write([save(tmp_path, pretraining("random", 0), "random.json")], [])
    assert pretrained == ["dataset,model,seed,epoch,loss"]
    assert finetuned == ["table,dataset,regime,head,model,seed,epoch,loss,test_top1"]


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (fine_tuned("patchvae", "conv1", 10.0), r"not the metrics \(schema 1\) of a pretraining"),
        ({"schema": 1, "rule": "pretrain"}, "dataset: missing"),
        ([], "not the metrics"),
        (pretraining("patchvae", 0) | {"history": [{"epoch": 1}]}, r"history\.0\.loss: missing"),
    ],
)
def test_a_wrong_file_is_named(tmp_path, content, part):
    with pytest.raises(PatchVAEError, match=f"wrong.json.*{part}"):
        write([save(tmp_path, content, "wrong.json")], [])
