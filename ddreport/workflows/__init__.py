"""Recipes that join the adapters to the core: pull, load, report, demo.

The clock is read only here and in `connect`.
"""
