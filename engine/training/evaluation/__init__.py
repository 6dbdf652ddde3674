"""What a run is worth: metrics, snapshots, probes."""
