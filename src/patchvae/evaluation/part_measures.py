"""What is measured of parts on photographs: thresholds, and the names of what is compared."""

OCCURS = 0.5  # probability above which a part occurs in a cell
DEAD = 0.001  # a part that occurs in a smaller share of the cells is dead
METHODS = ("trained", "untrained", "kmeans", "shuffled")
SPACES = ("pretrained", "random")  # whose features crops are compared in: those of `reference`, and of a random phi
DISTANCES = ("euclidean", "cosine")
