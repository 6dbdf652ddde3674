"""Images to features. One network per file; every module here is imported when a backbone is first looked up."""
