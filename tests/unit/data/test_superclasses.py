"""CIFAR-100's superclasses: the form of the published list, and what is done with it."""

import pytest

from patchvae.data.superclasses import CIFAR100, superclasses
from patchvae.errors import PatchVAEError

CLASSES = sorted(name for names in CIFAR100.values() for name in names.split())


def test_twenty_superclasses_of_five_classes() -> None:
    assert len(CIFAR100) == 20
    assert {len(names.split()) for names in CIFAR100.values()} == {5}
    assert len(set(CLASSES)) == 100


def test_the_superclass_of_each_class() -> None:
    found = superclasses("cifar100", CLASSES)
    assert found is not None and sorted(found) == sorted(list(range(20)) * 5)
    names = list(CIFAR100)
    of_class = {name: names[number] for name, number in zip(CLASSES, found, strict=True)}
    assert (of_class["apple"], of_class["worm"]) == ("fruit_and_vegetables", "non-insect_invertebrates")
    assert (of_class["tank"], of_class["pickup_truck"]) == ("vehicles_2", "vehicles_1")
    assert list(superclasses("cifar100", CLASSES[::-1])) == list(found[::-1])  # type: ignore[arg-type]


def test_a_data_set_without_superclasses() -> None:
    assert superclasses("indoor67", ["kitchen"]) is None


def test_a_class_of_another_data_set() -> None:
    with pytest.raises(PatchVAEError, match="'kitchen' of format cifar100 is in no superclass"):
        superclasses("cifar100", ["apple", "kitchen"])
