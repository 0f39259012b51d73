"""One optimiser step of each kind of pretraining."""
