"""The tables, from metrics files and the paper's CSVs alone; `write` of a module does one job."""
