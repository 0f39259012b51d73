"""What is drawn: the figures that are saved, or the pictures and texts in them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The pictures of every figure that is saved, in drawing order, and its texts."""
    record: list[Any] = []
    save = Figure.savefig

    def spy(figure: Figure, *args: Any, **kwargs: Any) -> None:
        pictures = [np.asarray(image.get_array()) for axes in figure.axes for image in axes.images]
        record.append((pictures, [text.get_text() for text in figure.texts]))
        save(figure, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", spy)
    return record


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Every figure that is saved, without the time it takes to save one."""
    figures: list[Figure] = []

    def spy(figure: Figure, path: Path, **kwargs: Any) -> None:
        figures.append(figure)
        path.touch()

    monkeypatch.setattr(Figure, "savefig", spy)
    return figures
