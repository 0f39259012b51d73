#!/usr/bin/env bash
# PyTorch 2.14.1 on a CPU: a batch of rows of an array of images, `images[index]`, takes several times as long as
# `images.index_select(0, index)`, which gives the same bytes. Images are uint8 (50000, 32, 32, 3), 128 rows a batch.
# Expected was no difference that matters, as both copy 128 rows of 3,072 contiguous bytes. Measured on one thread of a
# Xeon: 701 against 60 microseconds for images, 379 against 179 for rows of 2,048 float32. The narrower the type, the
# larger the ratio, as if `[index]` copied element by element and `index_select` row by row.
# Exit status 0: still so, at least twice for images; 1: PyTorch behaves otherwise. Installs PyTorch into a temporary folder.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet torch==2.14.1 numpy==2.4.6
OMP_NUM_THREADS=1 "$folder/env/bin/python" - <<'PYTHON'
import time

import torch

torch.set_num_threads(1)
print("PyTorch", torch.__version__)
arrays = {
    "uint8 images": torch.randint(0, 256, (50_000, 32, 32, 3), dtype=torch.uint8),
    "float32 features": torch.rand(50_000, 4, 4, 128),
}
ratios = {}
for name, array in arrays.items():
    batches = [torch.randint(0, len(array), (128,)) for _ in range(50)]
    least = {}
    for way, take in {"[index]": lambda i: array[i], "index_select": lambda i: array.index_select(0, i)}.items():
        times = []
        for _ in range(9):
            began = time.perf_counter()
            for index in batches:
                rows = take(index)
            times.append((time.perf_counter() - began) / len(batches))
        least[way] = min(times)
        print(f"{name:18} {way:14} {1e6 * least[way]:6.0f} microseconds a batch")
    assert torch.equal(array[batches[0]], array.index_select(0, batches[0]))
    ratios[name] = least["[index]"] / least["index_select"]
print({name: round(ratio, 1) for name, ratio in ratios.items()})
raise SystemExit(ratios["uint8 images"] < 2)
PYTHON
