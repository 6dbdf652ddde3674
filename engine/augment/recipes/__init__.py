"""How a view is made. One recipe per file; every module here is imported when a recipe is first looked up."""
