"""Message templates: what WhatsApp approved, what a send must fill in, and what the person will read."""

from domain.templates.checks import check
from domain.templates.definition import Definition, read
from domain.templates.known import Drift, Fault, FaultReason, Known, drift_fault, drifted
from domain.templates.rendering import render
from domain.templates.syncing import SYNCED, Remembered, differences

__all__ = (
    "SYNCED",
    "Definition",
    "Drift",
    "Fault",
    "FaultReason",
    "Known",
    "Remembered",
    "check",
    "differences",
    "drift_fault",
    "drifted",
    "read",
    "render",
)
