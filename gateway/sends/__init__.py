"""A send on its way: decided, posted once, and known at last."""
