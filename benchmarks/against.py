"""This checkout against another commit: whether trainings give the same bits, and the CPU seconds of their steps.

    git worktree add /tmp/other COMMIT
    python benchmarks/against.py /tmp/other [--steps 20] [--rounds 2] [--precision fp32] [--only conv1 gan]

Every kind of pretraining and of fine-tuning of configs/cifar100.yaml takes so many steps on the same random images, by
the loop of either checkout with the configuration that it resolves itself, in processes of one thread that alternate.
Compared are all weights, optimisers' moments and recorded losses and accuracies. The time of a step is a training's own
CPU time, so that what else the machine does counts little, by steps; the least of the rounds. Exits with 1 where bits
differ.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from trainings import FINETUNINGS, PRETRAININGS, params_of, task_of, train

ROOT = Path(__file__).resolve().parents[1]
CPU = torch.device("cpu")


def fingerprint(content: Any) -> Iterator[bytes]:
    """All tensors and numbers of a nested content, in the order of its keys."""
    if isinstance(content, torch.Tensor):
        yield content.detach().contiguous().cpu().view(-1).view(torch.uint8).numpy().tobytes()
    elif isinstance(content, dict):
        for key in sorted(content, key=str):
            yield str(key).encode()
            yield from fingerprint(content[key])
    else:
        yield repr(content).encode()


def moments(state: dict[str, Any]) -> dict[str, Any]:
    """A task's state without the settings of its optimisers."""
    kept = {key: value for key, value in state.items() if not key.startswith("optimizer")}
    optimizers = state.get("optimizers") or {"only": state["optimizer"]}
    return kept | {"moments": {name: optimizer["state"] for name, optimizer in optimizers.items()}}


def measure(place: Path, names: list[str], steps: int, precision: str) -> None:
    """Print a line of JSON for each training, with the code that PYTHONPATH leads to."""
    torch.set_num_threads(1)
    params = params_of(place)
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            images = steps // 2 * params["pretrain"]["batch_size"]
            changes = {"epochs": 2} if name in PRETRAININGS else {"epochs": 2, "decay_every": 1}
            task = task_of(params, name, images, CPU, precision, Path(folder), **changes)
            began = time.process_time()
            training = train(task, CPU, name)
            seconds = time.process_time() - began
            digest = hashlib.sha256()
            for part in fingerprint({"history": training.history, "state": moments(task.state())}):
                digest.update(part)
            print(json.dumps({"name": name, "bits": digest.hexdigest(), "seconds": seconds / steps}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", type=Path, help="a checkout of another commit")
    parser.add_argument("--steps", type=int, default=20, help="of each training; an even number")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--precision", default="fp32", choices=("fp32", "bf16"))
    parser.add_argument("--only", nargs="*", metavar="WORD", help="only trainings in whose names a word occurs")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    names = [name for name in (*PRETRAININGS, *FINETUNINGS) if not args.only or any(word in name for word in args.only)]
    if args.measure:
        measure(args.other, names, args.steps, args.precision)
        return
    found: dict[tuple[Path, str], list[dict[str, Any]]] = {}
    places = [args.other.resolve(), ROOT]
    for number in range(args.rounds):
        for place in places if number % 2 == 0 else places[::-1]:
            environment = {**os.environ, "PYTHONPATH": str(place / "src"), "OMP_NUM_THREADS": "1"}
            command = [sys.executable, __file__, str(place), "--measure", "--steps", str(args.steps)]
            command += ["--precision", args.precision, "--only", *(args.only or [""])]
            done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True)
            if done.returncode:
                raise SystemExit(f"{place}: a training failed")
            for line in map(json.loads, done.stdout.splitlines()):
                found.setdefault((place, line["name"]), []).append(line)
    commits = [
        subprocess.run(
            ["git", "-C", place, "describe", "--always", "--dirty"], stdout=subprocess.PIPE, text=True
        ).stdout
        for place in places
    ]
    print(
        f"{commits[0].strip()} against {commits[1].strip()}, {args.steps} steps, {args.precision}, PyTorch",
        torch.__version__,
    )
    print(f"{'training':40} {'bits':6} {'ms a step':>10} {'before':>8} {'ratio':>6}")
    differ = 0
    for name in names:
        before, after = (found[place, name] for place in places)
        same = len({line["bits"] for line in (*before, *after)}) == 1
        differ += not same
        old, new = (1000 * min(line["seconds"] for line in lines) for lines in (before, after))
        print(f"{name:40} {'same' if same else 'OTHER':6} {new:10.2f} {old:8.2f} {new / old:6.2f}")
    raise SystemExit(differ > 0)


if __name__ == "__main__":
    main()
