"""Runs: trained, interrupted, resumed, and continued with more text."""
