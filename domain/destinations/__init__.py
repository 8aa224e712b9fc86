"""Internal systems to which every event is delivered: who wants what, in which form, and when again."""
