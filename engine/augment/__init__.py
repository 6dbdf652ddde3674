"""Batched views with per-sample parameters. One recipe per file; every module here is imported when a recipe is first
looked up.
"""
