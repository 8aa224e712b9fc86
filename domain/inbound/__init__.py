"""WhatsApp's callbacks to facts (webhooks reference).

`updates` is the way in. Each message, status, call, error and unknown field becomes a fact of its own, and
one that can't be understood costs the others nothing: it is kept whole as UnrecognisedReceived.
"""

from domain.inbound.body import updates

__all__ = ["updates"]
