"""What a person wants, whatever the order in which it becomes known."""

from __future__ import annotations

from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_events import HOUR, NOW, made, message, send_failed, status

from domain.consent import NOTHING_KNOWN, Choice, fold, merge
from domain.consent_words import DEFAULT_WORDS, RESUME, START_WORDS, STOP, STOP_MARKETING, STOP_WORDS
from domain.events import ConsentChanged, Event

times = st.integers(NOW - 3 * HOUR, NOW).map(lambda at: at - at % 1800)
events: st.SearchStrategy[Event] = st.one_of(
    st.builds(
        lambda **public: made(ConsentChanged, **public),
        key=st.uuids().map(str),
        category=st.sampled_from(["marketing_messages", "marketing", "all", "tomorrow"]),
        value=st.sampled_from(["stop", "resume", "perhaps"]),
        source=st.sampled_from(["whatsapp", "keyword", "api", "import"]),
        at_used=times,
    ),
    st.builds(
        lambda at, code, key, source: status(at, "failed", code=code, key=key, source=source),
        times,
        st.sampled_from([131050, 131049, 131047, None]),
        st.uuids().map(str),
        st.sampled_from(["live", "standby"]),
    ),
    st.builds(
        lambda at, code, key: send_failed(at, code, key=key),
        times,
        st.sampled_from([131050, 131049, 470]),
        st.uuids().map(str),
    ),
    st.builds(message, times),
)


@given(history=st.lists(events, max_size=12), data=st.data())
def test_any_order_repetition_and_split_gives_the_same_consent(
    history: list[Event], data: st.DataObject
) -> None:
    repeated = data.draw(st.lists(st.sampled_from(history), max_size=4)) if history else []
    other = data.draw(st.permutations([*history, *repeated]))
    cut = data.draw(st.integers(0, len(other)))
    expected = reduce(fold, history, NOTHING_KNOWN)

    assert reduce(fold, other, NOTHING_KNOWN) == expected
    first, second = reduce(fold, other[:cut], NOTHING_KNOWN), reduce(fold, other[cut:], NOTHING_KNOWN)
    assert merge(first, second) == merge(second, first) == expected


def test_a_refusal_of_whatsapps_is_a_stop_until_a_later_resume() -> None:
    refused = fold(NOTHING_KNOWN, send_failed(NOW, 131050, key="k"))
    resumed = made(ConsentChanged, category="marketing", value="resume", source="api", at_used=NOW + 1)

    assert refused.about_marketing == Choice(NOW, "k", "stop", "131050")
    later = fold(refused, resumed).about_marketing
    assert later is not None
    assert later.value == "resume"


def test_a_copy_of_somebody_elses_thread_says_nothing() -> None:
    assert fold(NOTHING_KNOWN, status(NOW, "failed", code=131050, source="standby")) == NOTHING_KNOWN


@pytest.mark.parametrize(
    "text",
    [
        *("STOP", "stop", " Stop! ", "STOP 🛑", "«стоп»", "Стоп.", "ARRÊT", "arret", "Baja", "PARAR", "退订"),
        *(
            "إيقاف",
            "ايقاف",
            "配信停止",
            "수신거부",
            "रोकें",
            "ABONELİKTEN ÇIK",
            "Opt-Out",
            "\uff53\uff54\uff4f\uff50",
            "stop\ufe0f",
        ),
    ],
)
def test_a_word_alone_stops_everything(text: str) -> None:
    assert DEFAULT_WORDS.meaning(text) == STOP


@pytest.mark.parametrize("text", ["Start", "UNSTOP", "старт", "M\u2019abonner", "恢复订阅", "başla"])
def test_a_word_alone_resumes(text: str) -> None:
    assert DEFAULT_WORDS.meaning(text) == RESUME


@pytest.mark.parametrize(
    "text",
    ["stop the delivery", "please stop", "don't stop", "nonstop", "", "!", "🛑", "s top", "STOP" + " " * 99],
)
def test_anything_more_is_a_message_like_any_other(text: str) -> None:
    assert DEFAULT_WORDS.meaning(text) is None


def test_the_button_under_a_marketing_template_stops_marketing() -> None:
    assert DEFAULT_WORDS.meaning("Stop promotions") == STOP_MARKETING


def test_no_word_means_two_things() -> None:
    words = [(word, STOP) for words in STOP_WORDS.values() for word in words]
    words += [(word, RESUME) for words in START_WORDS.values() for word in words]

    assert [word for word, meaning in words if DEFAULT_WORDS.meaning(word) != meaning] == []


def test_an_operators_own_words_come_on_top() -> None:
    words = DEFAULT_WORDS.extended(["Foo"], ["foo", "Bar!"])

    assert (words.meaning("FOO."), words.meaning("bar"), words.meaning("stop")) == (STOP, RESUME, STOP)
