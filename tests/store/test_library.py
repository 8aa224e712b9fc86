"""The eventsourcing library's own test cases, and its stock recorder and Mapper on our log."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from eventsourcing.tests import persistence
from recorder import Recorder


class RecorderTests:
    """Each test of a library's class, on a database of its own."""

    recorder: Recorder

    @pytest.fixture(autouse=True)
    def _store(self, database: str) -> Iterator[None]:
        self.recorder = Recorder(database, "ledgerline")
        yield
        self.recorder.close()

    def create_recorder(self) -> Recorder:
        return self.recorder


class TestApplicationRecorder(RecorderTests, persistence.ApplicationRecorderTestCase[Recorder]):
    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


class TestNonInterleaving(RecorderTests, persistence.NonInterleavingNotificationIDsBaseCase):
    pass
