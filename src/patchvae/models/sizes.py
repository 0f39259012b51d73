"""Numbers of the backbones and regimes, for code that does not import PyTorch."""

# deviation E27: the paper's table lists stride 1 for Conv4-5, its counts need 2: the stages' strides are 4, 1, 2, 2, 2
STAGES = {"resnet9": 3, "resnet18": 5}
CHANNELS = {"resnet9": 128, "resnet18": 512}  # d_e
STRIDES = {"resnet9": 8, "resnet18": 32}  # deviation E29: of ImageNet's grid, which the paper puts at H/8

# deviation E28, E55: "Conv k" counts residual blocks; a regime freezes phi's first stages, as many as this
REGIMES = {"none": 0, "conv1": 1, "conv1-3": 2, "conv1-5": 3}
