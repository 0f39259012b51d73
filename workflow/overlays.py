"""Reads the overlays of `snakemake --configfile` and the values of --config, and ends in one sentence if one is broken.

The default profile runs this before Snakemake reads them itself: that ends in a traceback for some broken ones, and for
others in a message that does not name the file. This also puts caches elsewhere where the home folder is read-only.
"""

import argparse
import itertools
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))


def refuse_broken(arguments: list[str]) -> None:
    """End the process with one sentence for an option given twice, and for an overlay or a value that is broken."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--configfile", "--configfiles", nargs="+", action="append", default=[])
    parser.add_argument("--config", "-C", nargs="*", action="append", default=[])
    given = parser.parse_known_args(arguments)[0]
    for word, lists in (("--configfile", given.configfile), ("--config", given.config)):
        if len(lists) > 1:
            sys.exit(
                f"{word}: is given {len(lists)} times, and Snakemake would take the last alone: write one with all"
            )
    files, values = [*itertools.chain(*given.configfile)], [*itertools.chain(*given.config)]
    if not files and not values:
        return
    from snakemake.cli import parse_config
    from snakemake.common.configfile import load_configfile

    from patchvae.errors import PatchVAEError
    from patchvae.params.reading import read_yaml, refuse_odd

    source = "--config"
    try:
        for source in files:
            read_yaml(source)
            load_configfile(Path(source))
        source = "--config"
        refuse_odd(parse_config(values), source)
    except PatchVAEError as error:
        sys.exit(str(error))
    except Exception as error:  # Snakemake, which reads YAML 1.1, raises whatever happens
        sys.exit(f"{source}: Snakemake cannot read it: {' '.join(str(error).split()) or type(error).__name__}")


def move_caches() -> None:
    """Have Snakemake and its jobs' Matplotlib keep their caches in .snakemake where they cannot in the home folder.

    Snakemake ends in a traceback there, and Matplotlib warns and scans all fonts again in every job.
    """
    try:
        usual = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
        usual.mkdir(parents=True, exist_ok=True)
        usable = os.access(usual, os.W_OK)
    except (OSError, RuntimeError):  # the latter without any home folder
        usable = False
    if not usable:
        here = Path(__file__).resolve().parents[1] / ".snakemake/cache"
        os.environ["XDG_CACHE_HOME"] = str(here)
        os.environ.setdefault("MPLCONFIGDIR", str(here / "matplotlib"))


move_caches()
refuse_broken(sys.argv[1:])
