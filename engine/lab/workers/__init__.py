"""The torch side of the lab: the processes that train and answer."""
