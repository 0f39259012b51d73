"""The paper's tables beside our numbers, from metrics files and the paper's CSVs alone; one module per table."""
