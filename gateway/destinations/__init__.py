"""Destinations as operators and settings have them: made, changed, removed, delivered to again."""
