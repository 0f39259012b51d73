"""The figures, from packed data, checkpoints, metrics files and the CSVs of tables; one module per figure."""
