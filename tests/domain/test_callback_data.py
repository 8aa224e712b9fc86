"""What rides along with every send, and comes back with its statuses."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.callback_data import Dispatch, read, write

DISPATCHES = st.builds(Dispatch, st.uuids(), st.integers(0, 999_999), st.integers(0, 10**12 - 1))
SEND = "0123456789abcdef0123456789abcdef"


@given(DISPATCHES)
def test_what_is_written_is_read_again_and_fits(dispatch: Dispatch) -> None:
    written = write(dispatch)

    assert read(written) == dispatch
    assert len(written) <= 512


def test_the_form_is_fixed() -> None:
    assert write(Dispatch(UUID(SEND), 2, 1_795_305_600)) == f"ll1.{SEND}.2.1795305600"


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        {"ll1": 1},
        "",
        "gw:job:7f31",
        f"ll1.{SEND}.2",
        f"ll1.{SEND}.2.1795305600.",
        f"ll1.{SEND}.2.1795305600\n",
        f" ll1.{SEND}.2.1795305600",
        f"ll2.{SEND}.2.1795305600",
        f"ll1.{SEND.upper()}.2.1795305600",
        f"ll1.{SEND[1:]}.2.1795305600",
        f"ll1.{SEND}.-2.1795305600",
        f"ll1.{SEND}.1234567.1795305600",
        f"ll1.{SEND}.2.1795305600000",
        f"ll1.{SEND}.\u0662.1795305600",
    ],
)
def test_anybody_elses_value_is_none_of_ours(value: object) -> None:
    assert read(value) is None


@given(st.text())
def test_no_text_breaks_the_reader(text: str) -> None:
    found = read(text)

    assert found is None or write(found)
