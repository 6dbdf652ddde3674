"""One run in several processes: who they are, what they send one another, and how they divide a network's batch."""
