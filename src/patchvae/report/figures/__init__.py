"""The figures, one module each, from packed data, checkpoints, metrics files and the CSVs of tables."""
