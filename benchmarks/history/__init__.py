"""Realistic history: half a year of a business and its customers, made from a seed, in any length.

`plan` says how much, `shard` makes facts in the order in which a gateway would have recorded them, and
`loading` seals them and copies them into a log. What WhatsApp tells goes through the gateway's own reading of
callbacks, what the business sends through its own policy; nothing here writes an event by hand.
"""
