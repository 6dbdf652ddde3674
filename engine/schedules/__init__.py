"""How the learning rate moves over a run. One schedule per file; every module here is imported when one is first looked
up.
"""
