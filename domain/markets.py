"""Which market a recipient belongs to, as far as it may stand in the open.

Markets follow the calling code (windows and pricing reference, section 5); after +1 and +7 they follow the
next digits too. Only this prefix is recorded: rate cards may split a market later, and it suffices then.
"""

from __future__ import annotations

from typing import Final

from phonenumbers import (
    COUNTRY_CODE_TO_REGION_CODE,
    PhoneNumber,
    region_code_for_country_code,
    region_code_for_number,
)

LONGEST_CODE: Final = 3
AREA_DIGITS: Final = 3
SHARED: Final = frozenset({"1", "7"})
"""Calling codes of several markets."""
_CODES: Final = frozenset(map(str, COUNTRY_CODE_TO_REGION_CODE))


def prefix_of_phone(digits: str) -> str | None:
    """Calling code, with three more digits after 1 and 7; None when no code begins so.

    The number is not judged: any digits behind a known code will do.
    """
    for length in range(1, LONGEST_CODE + 1):
        code = digits[:length]
        if code in _CODES:
            return digits[: length + AREA_DIGITS] if code in SHARED else code
    return None


def is_us(prefix: str | None) -> bool:
    """Whether a market prefix is of the USA: by the area code, or by the user id's country."""
    if prefix is None or not prefix.startswith("1"):
        return prefix == prefix_of_bsuid("US")
    area = prefix.removeprefix("1")
    # Any number of the area will do: the area alone tells the country.
    return len(area) == AREA_DIGITS and region_code_for_number(_number(area)) == "US"


def _number(area: str) -> PhoneNumber:
    return PhoneNumber(country_code=1, national_number=int(f"{area}2223456"))


def country_of(prefix: str | None) -> str | None:
    """The ISO code of a market prefix's country: after +1 by area, of other shared codes the main one."""
    if prefix is None:
        return None
    if prefix.startswith("bsuid:"):
        return prefix.removeprefix("bsuid:")
    if prefix.startswith("7"):
        return "KZ" if prefix[1:2] in ("6", "7") else "RU"
    if prefix.startswith("1") and len(prefix) == 1 + AREA_DIGITS:
        return region_code_for_number(_number(prefix[1:]))
    return region_code_for_country_code(int(prefix))


def prefix_of_bsuid(user_id: str) -> str:
    """The country of a business-scoped user id, marked as the estimate that it is."""
    return f"bsuid:{user_id[:2]}"
