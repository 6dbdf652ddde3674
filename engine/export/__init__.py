"""A trained run's model taken along: one file that answers as the run did, proof that it does, and how to use it."""
