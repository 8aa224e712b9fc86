"""Every metric, documented where it is declared. Labels hold names of ours, never a contact or an id."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

NEWEST: Final = "mostrecent"
"""What a gauge says where several workers set it: each is about the log, not about the process."""


class Metrics:
    """The metrics of one gateway, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._of_callbacks()
        self._of_sends()
        self._of_answers()
        self._of_the_log()
        self._of_media()
        self._of_deliveries()

    def _of_callbacks(self) -> None:
        self.webhooks = Counter(
            "ledgerline_webhooks",
            "Callbacks by result: stored, unsigned, too_slow, too_large, too_many, not_taken",
            ["result"],
            registry=self.registry,
        )
        self.items = Counter(
            "ledgerline_webhook_items",
            "Items of callbacks by topic, and whether they were news or known already",
            ["topic", "outcome"],
            registry=self.registry,
        )
        self.silent = Gauge(
            "ledgerline_line_silent",
            "1 when sends that WhatsApp took are followed by no callback for longer than silence_minutes",
            ["line"],
            registry=self.registry,
            multiprocess_mode=NEWEST,
        )
        self.last_webhook = Gauge(
            "ledgerline_line_last_webhook_seconds",
            "Time since the line's newest callback; missing when there was none",
            ["line"],
            registry=self.registry,
            multiprocess_mode=NEWEST,
        )

    def _of_sends(self) -> None:
        self.sends = Counter(
            "ledgerline_sends",
            "Sends by face, kind and outcome: accepted, refused, failed, unknown, busy, malformed, "
            "replayed, in_flight, key_taken, forgotten",
            ["face", "kind", "outcome"],
            registry=self.registry,
        )
        self.settled = Counter(
            "ledgerline_sends_settled",
            "Unknown sends that became known, as what and by what: status, answer, operator",
            ["settled_as", "by"],
            registry=self.registry,
        )
        self.given_up = Counter(
            "ledgerline_sends_given_up",
            "Dispatches without an outcome that were recorded as unknown",
            registry=self.registry,
        )
        self.recovered = Counter(
            "ledgerline_statuses_recovered",
            "Statuses that no callback brought and WhatsApp told when asked",
            registry=self.registry,
        )
        self.unknown = Gauge(
            "ledgerline_sends_unknown",
            "Sends that may or may not have reached WhatsApp",
            ["line"],
            registry=self.registry,
            multiprocess_mode=NEWEST,
        )
        self.observed = Counter(
            "ledgerline_sends_observed",
            "Sends forwarded in observe mode that enforce mode would have refused",
            registry=self.registry,
        )
        self.disputed = Counter(
            "ledgerline_windows_disputed",
            "Sends decided on a window that WhatsApp called closed although a customer wrote within 23 hours",
            registry=self.registry,
        )
        self.drifted = Counter(
            "ledgerline_template_drift",
            "Sends of templates that WhatsApp has made marketing ones, on lines that warn or refuse",
            registry=self.registry,
        )

    def _of_answers(self) -> None:
        self.template_syncs = Counter(
            "ledgerline_template_syncs",
            "Looks at WhatsApp's list of templates by result: looked, failed",
            ["result"],
            registry=self.registry,
        )
        self.upstream = Histogram(
            "ledgerline_upstream_seconds",
            "Time WhatsApp took to answer a send",
            registry=self.registry,
        )
        self.requests = Histogram(
            "ledgerline_request_seconds",
            "Time to answer, by method, route template and status",
            ["method", "route", "status"],
            registry=self.registry,
        )

        self.request = lru_cache(1_024)(self.requests.labels)
        """Of `requests`, by its labels: each request asks for one."""

    def _of_the_log(self) -> None:
        self.head = Gauge(
            "ledgerline_log_head",
            "Position of the newest event",
            registry=self.registry,
            multiprocess_mode=NEWEST,
        )
        self.lag = Gauge(
            "ledgerline_projection_lag",
            "Events behind the head",
            ["projection"],
            registry=self.registry,
            multiprocess_mode=NEWEST,
        )
        self.dead_letters = Gauge(
            "ledgerline_projection_dead_letters",
            "Events a projection could not fold",
            ["projection"],
            registry=self.registry,
            multiprocess_mode=NEWEST,
        )
        self.waiting = Gauge(
            "ledgerline_writer_waiting",
            "Events waiting to be appended, in the worker that was asked",
            registry=self.registry,
            multiprocess_mode=NEWEST,
        )

    def _of_media(self) -> None:
        self.media = Counter(
            "ledgerline_media",
            "Files of customers by outcome: kept, put_off, lost (both with a reason), removed, broken",
            ["outcome", "reason"],
            registry=self.registry,
        )
        self.media_bytes = Counter(
            "ledgerline_media_bytes",
            "Bytes of the files that were kept",
            registry=self.registry,
        )
        self.media_seconds = Histogram(
            "ledgerline_media_seconds",
            "Time from the first try at a file until it was kept",
            buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300),
            registry=self.registry,
        )

    def _of_deliveries(self) -> None:
        self.deliveries = Counter(
            "ledgerline_deliveries",
            "Deliveries by outcome: delivered, failed, put_off (Retry-After), gone (410), skipped",
            ["destination", "outcome"],
            registry=self.registry,
        )
        self.delivery_lag = self._of_a_destination("lag", "Events that are neither delivered nor parked")
        self.delivery_age = self._of_a_destination(
            "lag_seconds", "Time since the oldest of these events was recorded"
        )
        self.parked = self._of_a_destination(
            "parked", "Events that wait for their next try, or behind such a one of their conversation"
        )
        self.undelivered = self._of_a_destination("dead_letters", "Events that were given up")
        self.active = self._of_a_destination("active", "1, or 0 when it is paused or disabled")

    def _of_a_destination(self, name: str, what: str) -> Gauge:
        return Gauge(
            f"ledgerline_destination_{name}",
            what,
            ["destination"],
            registry=self.registry,
            multiprocess_mode=NEWEST,
        )

    def forget_destinations(self) -> None:
        """No destination has a gauge until it is set again; workers can't take back what they share."""
        if not _is_shared():
            for gauge in (self.delivery_lag, self.delivery_age, self.parked, self.undelivered, self.active):
                gauge.clear()

    def forget_lines(self) -> None:
        """No line has a gauge until it is set again; workers can't take back what they share."""
        if not _is_shared():
            for gauge in (self.unknown, self.silent, self.last_webhook):
                gauge.clear()

    def exposition(self) -> bytes:
        """All of them in Prometheus' text format, over all workers of the port."""
        if not _is_shared():
            return generate_latest(self.registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call] # untyped there
        return generate_latest(registry)


def _is_shared() -> bool:
    return "PROMETHEUS_MULTIPROC_DIR" in os.environ
