"""What a pretrained model is worth without labels: its reconstructions and its parts."""
