"""From raw files to what training reads: sources, archives, packed arrays and weight masks."""
