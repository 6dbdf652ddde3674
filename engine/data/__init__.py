"""Where images come from. One data set per file; every module here is imported when a data set is first looked up."""
