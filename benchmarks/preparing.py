"""Speed and peak memory of packing photographs, for one archive and for ten times as many images.

    python benchmarks/preparing.py [ARCHIVE] [--threads 2] [--image-size 64] [--repeats 1 10]

ARCHIVE is a tar or tar.gz of photographs (indoorCVPR_09.tar); without one, synthetic JPEGs of 256 x 256 pixels stand
in. Each repeat is a run of its own, on a tar that holds the photographs so many times under other names. Memory is
the process's peak (VmHWM), libraries included: it must not grow with the repeats. On a busy machine the images per
second of CPU time, times the threads, are what an idle one would do at best; the load average tells how busy it is.
"""

import argparse
import io
import multiprocessing
import os
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from patchvae.data.archives import read_files
from patchvae.data.names import photo_names
from patchvae.data.prepare import prepare
from patchvae.data.sources import fetch_all

SYNTHETIC = 500  # distinct photographs


def synthetic() -> Iterator[bytes]:
    """Smooth photographs with some noise, as large in bytes as a camera's."""
    rng = np.random.default_rng(0)
    for _ in range(SYNTHETIC):
        coarse = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        pixels = np.asarray(coarse.resize((256, 256), Image.Resampling.BICUBIC)).astype(np.int16)
        noisy = np.clip(pixels + rng.integers(-12, 13, pixels.shape), 0, 255).astype(np.uint8)
        stream = io.BytesIO()
        Image.fromarray(noisy).save(stream, "JPEG", quality=85)
        yield stream.getvalue()


def photographs(archive: Path | None) -> Iterator[bytes]:
    """The content of every photograph."""
    if archive is None:
        yield from synthetic()
    else:
        wanted = set(photo_names(archive))
        for _, load in read_files(archive, wanted):
            if load:
                yield load()


def write_archive(path: Path, archive: Path | None, repeats: int) -> int:
    """Write train/ and test/ with two classes, four of five photographs in train; returns the number of photographs."""
    count = 0
    with tarfile.open(path, "w") as tar:
        for repeat in range(repeats):
            for number, content in enumerate(photographs(archive)):
                split, name = "test" if number % 5 == 4 else "train", f"{'ab'[number % 2]}/{repeat}-{number}.jpg"
                # Bytes behind a JPEG's end are ignored, and make every file differ.
                content += str(count).encode()
                info = tarfile.TarInfo(f"{split}/{name}")
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
                count += 1
    return count


def measure(folder: Path, config: dict[str, Any], threads: int, results: Any) -> None:
    """In a process of its own: pack `folder`/raw; reports seconds, CPU seconds and the peak memory in MB."""
    began, busy = time.perf_counter(), time.process_time()
    prepare(config, folder / "photos.json", folder / "raw", folder / "packed", threads)
    seconds, busy = time.perf_counter() - began, time.process_time() - busy
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    results.put((seconds, busy, int(peak) / 1024))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", type=Path, nargs="?")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--image-size", type=int, default=64)
    parser.add_argument("--repeats", type=int, nargs="+", default=[1, 10])
    args = parser.parse_args()
    context = multiprocessing.get_context("spawn")  # a fork would inherit this process's memory
    print(f"{args.threads} threads, {args.image_size} x {args.image_size}, {os.cpu_count()} CPUs")
    for repeats in args.repeats:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            count = write_archive(folder / "photos.tar", args.archive, repeats)
            source = {"location": str(folder / "photos.tar"), "checksum": "unverified"}
            fetched = {"dataset": "benchmark", "sources": {"photos.tar": source}}
            fetch_all(fetched, folder / "raw", folder / "photos.json")
            config = {
                "dataset": "benchmark",
                "format": "folders",
                "image_size": args.image_size,
                "num_classes": 2,
                "max_undecodable": 0,
            }
            results = context.SimpleQueue()
            process = context.Process(target=measure, args=(folder, config, args.threads, results))
            process.start()
            process.join()
            if process.exitcode:
                raise SystemExit(process.exitcode)
            seconds, busy, peak = results.get()
            print(
                f"{count:7} images {count / seconds:7.0f} images/s {count / busy:7.0f} images/s of CPU time"
                f"   peak {peak:5.0f} MB   load average {os.getloadavg()[0]:.1f}"
            )


if __name__ == "__main__":
    main()
