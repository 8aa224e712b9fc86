"""Words by which a customer stops and resumes messages, as data.

Only a whole message counts, whatever its case, accents, punctuation and emoji: "Stop!" is one, "stop the
delivery" is not. Words that customers use for other things too (cancel, back, yes) are left out.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NamedTuple

from domain.consent import Category, Value

LONGEST: Final = 64
"""Characters of a message that may be such a word."""


class Meaning(NamedTuple):
    """What a word says."""

    category: Category
    value: Value


STOP: Final = Meaning("all", "stop")
RESUME: Final = Meaning("all", "resume")
STOP_MARKETING: Final = Meaning("marketing", "stop")

STOP_WORDS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "ar": ("إيقاف", "أوقف", "توقف", "إلغاء الاشتراك"),
        "be": ("спыніць", "адпісацца"),
        "bn": ("বন্ধ", "বন্ধ করুন"),
        "cs": ("odhlásit", "zrušit odběr"),
        "da": ("afmeld", "frameld"),
        "de": ("stopp", "abmelden", "abbestellen", "austragen"),
        "el": ("στοπ", "διαγραφή"),
        "en": ("stop", "stop all", "stopall", "unsubscribe", "opt out", "opt-out", "optout"),
        "es": ("baja", "darme de baja", "dar de baja", "cancelar suscripción"),
        "fa": ("لغو اشتراک",),
        "fr": ("arrêt", "arrêter", "se désabonner", "me désabonner", "désabonnement", "désinscription"),
        "he": ("הסר", "הסירו", "עצור"),
        "hi": ("रोकें", "रुकें", "बंद करें", "सदस्यता समाप्त करें"),
        "id": ("berhenti", "berhenti berlangganan"),
        "it": ("disiscrivimi", "annulla iscrizione", "disiscrizione"),
        "ja": ("停止", "配信停止", "登録解除", "ストップ"),
        "ko": ("중지", "수신거부", "수신 거부", "구독취소", "구독 취소"),
        "nl": ("afmelden", "uitschrijven"),
        "no": ("meld av", "avmeld"),
        "pl": ("wypisz", "wypisz mnie", "rezygnuję"),
        "pt": ("parar", "sair", "descadastrar", "cancelar inscrição"),
        "ro": ("dezabonare",),
        "ru": ("стоп", "отписаться", "отписка"),
        "sv": ("avregistrera", "avanmäl"),
        "th": ("หยุด", "ยกเลิกการสมัคร"),
        "tr": ("dur", "durdur", "ret", "abonelikten çik"),
        "uk": ("відписатися", "відписка", "зупинити"),
        "ur": ("بند کریں",),
        "vi": ("dừng", "hủy đăng ký"),
        "zh": ("退订", "退訂", "取消订阅", "取消訂閱", "停止"),
    }
)
"""By language: no more messages of any kind."""

START_WORDS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "ar": ("ابدأ", "اشتراك"),
        "de": ("anmelden", "abonnieren"),
        "en": ("start", "unstop", "subscribe", "resume", "opt in", "opt-in", "optin"),
        "es": ("alta", "darme de alta", "suscribirme"),
        "fr": ("s'abonner", "m'abonner", "me réabonner"),
        "he": ("הירשם",),
        "hi": ("शुरू", "शुरू करें"),
        "id": ("mulai", "berlangganan"),
        "it": ("iscrivimi", "riattiva"),
        "ja": ("再開", "配信再開"),
        "ko": ("수신동의", "수신 동의", "구독"),
        "nl": ("aanmelden", "inschrijven"),
        "pl": ("zapisz mnie",),
        "pt": ("inscrever", "me inscrever", "reativar"),
        "ru": ("старт", "подписаться"),
        "tr": ("başla", "abone ol"),
        "uk": ("підписатися",),
        "vi": ("đăng ký",),
        "zh": ("订阅", "訂閱", "恢复订阅", "恢復訂閱"),
    }
)
"""By language: messages may come again. Where marketing needs an opt-in, this is none."""

MARKETING_STOP_WORDS: Final = ("stop promotions", "stop promotion", "stop marketing")
"""What the button under a marketing template says."""

_UNHEARD: Final = re.compile(
    "[\u0300-\u036f\u064b-\u0655\ufe0e\ufe0f\u200b-\u200f\u2060\u202a-\u202e\u2066-\u2069\ufeff]"
)
"""Accents, vowel signs that Arabic may leave out, and what can't be seen."""


def spoken(text: str) -> str:
    """The text without what does not make another word: case, accents, space and signs around it."""
    heard = _UNHEARD.sub("", unicodedata.normalize("NFKD", text)).casefold().replace("\u0131", "i")
    heard = unicodedata.normalize("NFKC", " ".join(heard.replace("\u2019", "'").split()))
    start, end = 0, len(heard)
    while start < end and unicodedata.category(heard[start])[0] in "PSZC":
        start += 1
    while end > start and unicodedata.category(heard[end - 1])[0] in "PSZC":
        end -= 1
    return heard[start:end]


@dataclass(frozen=True, slots=True)
class ConsentWords:
    """The words as one gateway hears them."""

    meanings: Mapping[str, Meaning]

    def meaning(self, text: str) -> Meaning | None:
        """What a message says, if it is nothing but such a word."""
        return self.meanings.get(spoken(text)) if 0 < len(text) <= LONGEST else None

    def extended(self, stop: Iterable[str], start: Iterable[str]) -> ConsentWords:
        """With more words; one that is in both means stop."""
        more = _spoken(start, RESUME) | _spoken(stop, STOP)
        return ConsentWords(MappingProxyType({**self.meanings, **more}))


def _spoken(words: Iterable[str], meaning: Meaning) -> dict[str, Meaning]:
    return {heard: meaning for word in words if (heard := spoken(word))}


NO_WORDS: Final = ConsentWords(MappingProxyType({}))
DEFAULT_WORDS: Final = ConsentWords(
    MappingProxyType(
        _spoken((word for words in START_WORDS.values() for word in words), RESUME)
        | _spoken((word for words in STOP_WORDS.values() for word in words), STOP)
        | _spoken(MARKETING_STOP_WORDS, STOP_MARKETING)
    )
)
"""All languages at once: a customer need not write in the line's."""
