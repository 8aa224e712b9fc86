"""Whoever waits for the directory waits for one lesson that goes on and one of its own, never for others'."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from opened import PATIENCE, facts, opened, text
from running import until

from domain.facts import Fact
from gateway.store.learning import Learner, Lesson
from gateway.store.log import Log
from gateway.store.outcomes import Appended
from gateway.store.postgres import Connection


class Lessons:
    """Lessons that go on for as long as a test wants."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        """How many facts each is about."""
        self._ends: asyncio.Future[None] | None = None

    async def __call__(self, learner: Learner, db: Connection, facts: Sequence[Fact]) -> Lesson:
        self.begun.append(len(facts))
        self._ends = asyncio.get_running_loop().create_future()
        await self._ends
        return await LEARN(learner, db, facts)

    def end(self, error: Exception | None = None) -> None:
        assert self._ends is not None
        if error is None:
            self._ends.set_result(None)
        else:
            self._ends.set_exception(error)


LEARN = Learner.learn


@pytest.fixture
def lessons(monkeypatch: pytest.MonkeyPatch) -> Lessons:
    found = Lessons()

    async def learn(learner: Learner, db: Connection, facts: Sequence[Fact]) -> Lesson:
        return await found(learner, db, facts)

    monkeypatch.setattr(Learner, "learn", learn)
    return found


def message(log: Log, number: int) -> Sequence[Fact]:
    """Of somebody whom nobody knows yet."""
    return facts(log, text(number, from_=f"44770090{number:04}"))


def told(log: Log, number: int) -> asyncio.Task[Any]:
    return asyncio.create_task(log.record(message(log, number), patience=PATIENCE))


def waiting(log: Log, *numbers: int) -> Callable[[], Any]:
    keys = {fact.key for number in numbers for fact in message(log, number)}

    async def are() -> bool:
        return keys <= {fact.key for call in log._directory._wanted for fact in call}

    return are


def begun(lessons: Lessons, amounts: list[int]) -> Callable[[], Any]:
    async def are() -> bool:
        return lessons.begun == amounts

    return are


async def test_nobody_waits_for_those_who_came_later(database: str, lessons: Lessons) -> None:
    async with opened(database) as log:
        first = told(log, 1)
        await until(begun(lessons, [1]))
        second, third = told(log, 2), told(log, 3)
        await until(waiting(log, 2, 3))
        lessons.end()
        await until(begun(lessons, [1, 2]))
        fourth = told(log, 4)
        await until(waiting(log, 4))
        lessons.end()
        for done in (first, second, third):
            assert isinstance((await done)[0], Appended)
        await until(begun(lessons, [1, 2, 1]))
        lessons.end()
        assert isinstance((await fourth)[0], Appended)


async def test_what_was_learnt_is_not_learnt_again(database: str, lessons: Lessons) -> None:
    """Later, what it says of a number may not be true any more."""
    async with opened(database) as log:
        first = told(log, 1)
        await until(begun(lessons, [1]))
        others = [told(log, number) for number in (2, 3, 4)]
        await until(waiting(log, 2, 3, 4))
        lessons.end()
        await until(begun(lessons, [1, 3]))
        lessons.end()
        for done in (first, *others):
            assert isinstance((await done)[0], Appended)
        assert log._directory._wanted == []


async def test_two_people_of_one_number_in_one_call_are_learnt_together(database: str) -> None:
    """A number that was given to somebody else, and what came late of the one who had it."""
    number, one, other = "447700900123", "GB.7700900123456789012", "GB.13491208655302741918"
    async with opened(database) as log:
        await log.record(facts(log, text(1, from_=number, from_user_id=one)), patience=PATIENCE)
        both = [
            *facts(log, text(2, from_=number, from_user_id=other)),
            *facts(log, text(3, from_=number, from_user_id=one)),
        ]
        told = await log.record(both, patience=PATIENCE)
        assert [type(recording) for recording in told] == [Appended, Appended]


async def test_a_lesson_that_fails_fails_for_one(database: str, lessons: Lessons) -> None:
    async with opened(database) as log:
        first = told(log, 1)
        await until(begun(lessons, [1]))
        second = told(log, 2)
        await until(waiting(log, 2))
        lessons.end(ConnectionResetError())
        with pytest.raises(ConnectionResetError):
            await first
        await until(begun(lessons, [1, 1]))
        lessons.end()
        assert isinstance((await second)[0], Appended)


async def test_a_lesson_goes_on_without_the_one_who_began_it(database: str, lessons: Lessons) -> None:
    async with opened(database) as log:
        first = told(log, 1)
        await until(begun(lessons, [1]))
        second = told(log, 2)
        await until(waiting(log, 2))
        first.cancel()
        lessons.end()
        await until(begun(lessons, [1, 1]))
        lessons.end()
        assert isinstance((await second)[0], Appended)
        with pytest.raises(asyncio.CancelledError):
            await first
