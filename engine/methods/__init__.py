"""How a run learns. One method per file, everything about it in that file; every module here is imported when a method
is first looked up.
"""
