"""The queue, the worker thread and the warm processes. The server's side imports no torch."""
