"""A caller's send: what the decision needs to know of it, and the body that goes to WhatsApp.

Only the recipient, the type, the object named by the type and the category are judged; every limit is
WhatsApp's to judge, and fields we do not know pass unchanged (Cloud API reference, sections 2 to 5 and 10).
"""

from domain.outbound.faces import parse_cloud, parse_onprem, parse_onprem_read
from domain.outbound.request import Malformed, Read, SendRequest
from domain.outbound.send import recalled, upstream_body

__all__ = [
    "Malformed",
    "Read",
    "SendRequest",
    "parse_cloud",
    "parse_onprem",
    "parse_onprem_read",
    "recalled",
    "upstream_body",
]
