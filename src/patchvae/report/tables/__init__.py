"""The tables, from metrics files and the paper's CSVs alone; `report` of a module makes the files of one job."""
