"""The delivery of every event to the destinations (docs/how-it-works.md)."""
