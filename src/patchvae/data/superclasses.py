"""CIFAR-100's 20 superclasses of 5 classes each, as published: https://www.cs.toronto.edu/~kriz/cifar.html.

The packed data have the 100 classes alone. The names are those of the archive, whose `coarse_labels` agree.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from patchvae.errors import PatchVAEError

CIFAR100 = {
    "aquatic_mammals": "beaver dolphin otter seal whale",
    "fish": "aquarium_fish flatfish ray shark trout",
    "flowers": "orchid poppy rose sunflower tulip",
    "food_containers": "bottle bowl can cup plate",
    "fruit_and_vegetables": "apple mushroom orange pear sweet_pepper",
    "household_electrical_devices": "clock keyboard lamp telephone television",
    "household_furniture": "bed chair couch table wardrobe",
    "insects": "bee beetle butterfly caterpillar cockroach",
    "large_carnivores": "bear leopard lion tiger wolf",
    "large_man-made_outdoor_things": "bridge castle house road skyscraper",
    "large_natural_outdoor_scenes": "cloud forest mountain plain sea",
    "large_omnivores_and_herbivores": "camel cattle chimpanzee elephant kangaroo",
    "medium_mammals": "fox porcupine possum raccoon skunk",
    "non-insect_invertebrates": "crab lobster snail spider worm",
    "people": "baby boy girl man woman",
    "reptiles": "crocodile dinosaur lizard snake turtle",
    "small_mammals": "hamster mouse rabbit shrew squirrel",
    "trees": "maple_tree oak_tree palm_tree pine_tree willow_tree",
    "vehicles_1": "bicycle bus motorcycle pickup_truck train",
    "vehicles_2": "lawn_mower rocket streetcar tank tractor",
}


def superclasses(format: str, classes: Sequence[str]) -> npt.NDArray[np.int64] | None:
    """The superclass of each class, (classes,) from 0 on; None for a format of data set that has none.

    classes: as the manifest lists them. Raises PatchVAEError for a class that is in no superclass.
    """
    if format != "cifar100":
        return None
    of_class = {name: number for number, names in enumerate(CIFAR100.values()) for name in names.split()}
    try:
        return np.array([of_class[name] for name in classes], dtype=np.int64)
    except KeyError as error:
        raise PatchVAEError(f"the class {error} of format {format} is in no superclass") from error
