"""RunConfig: all that determines a run, validated."""
