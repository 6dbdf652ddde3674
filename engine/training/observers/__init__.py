"""What may watch a run from outside: each gets its metrics as the run writes them, and changes nothing."""
