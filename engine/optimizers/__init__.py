"""How gradients change weights. One optimizer per file; every module here is imported when one is first looked up."""
