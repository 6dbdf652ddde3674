"""The run folder and the list of runs: the only place that knows the formats. No torch in here."""
