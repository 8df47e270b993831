"""Widgets that render and never fetch."""
