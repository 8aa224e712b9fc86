"""Who is who: which identifiers are one person's, and what never makes two persons one."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.facts import Alias, AliasKind, Evidence, Person
from domain.people import Holder, canonical, of_phone, of_user_id, resolve

PHONE, OTHER_PHONE = Alias(AliasKind.PHONE, "447700900123"), Alias(AliasKind.PHONE, "447700900777")
BSUID, OTHER_BSUID = Alias(AliasKind.BSUID, "GB.1"), Alias(AliasKind.BSUID, "GB.2")
PARENT = Alias(AliasKind.PARENT, "GB.ENT.1")


def holder(made: int, *, has_bsuid: bool = False) -> Holder:
    return Holder(UUID(int=made), made, has_bsuid)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("5511987654321", "551187654321"),  # Brazil: 55 AA 9 and X from 6 to 9
        ("5511967654321", "551167654321"),
        ("551187654321", "551187654321"),
        ("5511957654321", "5511957654321"),  # X is 5
        ("5511887654321", "5511887654321"),  # no ninth digit
        ("55119876543210", "55119876543210"),  # a digit too many
        ("551198765432", "551198765432"),  # a digit too few
        ("5215512345678", "525512345678"),  # Mexico: 521 and ten digits
        ("525512345678", "525512345678"),
        ("52155123456789", "52155123456789"),
        ("521551234567", "521551234567"),
        ("15215512345678", "15215512345678"),
        ("447700900123", "447700900123"),
    ],
)
def test_numbers_are_equal_without_evidence_in_brazil_and_mexico_only(written: str, kept: str) -> None:
    assert canonical(Alias(AliasKind.PHONE, written)) == Alias(AliasKind.PHONE, kept)


@pytest.mark.parametrize("kind", [AliasKind.BSUID, AliasKind.PARENT, AliasKind.OTHER])
def test_what_is_no_number_is_kept_as_it_is(kind: AliasKind) -> None:
    assert canonical(Alias(kind, "5511987654321")) == Alias(kind, "5511987654321")


@given(st.from_regex(r"(55|521|52)?[0-9]{1,13}", fullmatch=True))
def test_the_canonical_form_of_a_canonical_form_is_itself(digits: str) -> None:
    once = canonical(Alias(AliasKind.PHONE, digits))

    assert canonical(once) == once


def test_identifiers_are_read_however_they_are_written() -> None:
    assert of_phone("+44 (7700) 900-123") == PHONE
    assert of_phone("no digits") is None
    assert (of_user_id("GB.1"), of_user_id("GB.ENT.1")) == (BSUID, PARENT)


def test_aliases_nobody_has_are_a_new_persons() -> None:
    found = resolve(Person((PHONE, BSUID)), {})

    assert (found.root, set(found.claims), found.linked) == (None, {PHONE, BSUID}, ())


def test_a_person_gains_the_identifiers_that_stand_with_a_known_one() -> None:
    known = holder(1)

    found = resolve(Person((PHONE, BSUID, PARENT)), {PHONE: known})

    assert (found.root, set(found.claims), found.linked) == (known, {BSUID, PARENT}, ())


def test_two_persons_are_one_when_one_never_had_a_user_id_and_the_older_is_the_root() -> None:
    by_phone, by_bsuid = holder(1), holder(2, has_bsuid=True)

    found = resolve(Person((PHONE, BSUID)), {PHONE: by_phone, BSUID: by_bsuid})
    swapped = resolve(Person((PHONE, BSUID)), {PHONE: holder(3), BSUID: by_bsuid})

    assert (found.root, found.claims, found.linked) == (by_phone, (), (by_bsuid,))
    assert (swapped.root, swapped.claims, swapped.linked) == (by_bsuid, (), (holder(3),))


@pytest.mark.parametrize("evidence", [Evidence.SEEN, Evidence.ANSWERED])
def test_a_number_seen_with_another_user_id_moves_and_links_nothing(
    evidence: Evidence,
) -> None:
    before, now = holder(1, has_bsuid=True), holder(2, has_bsuid=True)
    item = Person((PHONE, BSUID), evidence)

    known = resolve(item, {PHONE: before, BSUID: now})
    new = resolve(item, {PHONE: before})

    assert (known.root, known.claims, known.linked) == (now, (PHONE,), ())
    assert (new.root, set(new.claims), new.linked) == (None, {PHONE, BSUID}, ())


def test_a_number_alone_is_whoever_has_it() -> None:
    known = holder(1, has_bsuid=True)

    found = resolve(Person((PHONE,)), {PHONE: known})

    assert (found.root, found.claims, found.linked) == (known, (), ())


def test_a_changed_number_links_even_two_persons_with_user_ids() -> None:
    old, new = holder(1, has_bsuid=True), holder(2, has_bsuid=True)

    found = resolve(Person((PHONE, OTHER_PHONE), Evidence.CHANGED), {PHONE: old, OTHER_PHONE: new})

    assert (found.root, found.claims, found.linked) == (old, (), (new,))


def test_a_changed_user_id_links_the_number_with_its_new_id() -> None:
    old, new = holder(1, has_bsuid=True), holder(2, has_bsuid=True)
    item = Person((PHONE, OTHER_BSUID), Evidence.CHANGED)

    met = resolve(item, {PHONE: old, OTHER_BSUID: new})
    first = resolve(item, {PHONE: old})

    assert (met.root, met.claims, met.linked) == (old, (), (new,))
    assert (first.root, first.claims, first.linked) == (old, (OTHER_BSUID,), ())


def test_an_answer_joins_the_number_asked_for_and_the_one_whatsapp_knows() -> None:
    asked, known = holder(2), holder(1, has_bsuid=True)
    item = Person((PHONE, OTHER_PHONE), Evidence.ANSWERED)

    met = resolve(item, {PHONE: asked, OTHER_PHONE: known})
    first = resolve(item, {OTHER_PHONE: known})

    assert (met.root, met.claims, met.linked) == (known, (), (asked,))
    assert (first.root, first.claims, first.linked) == (known, (PHONE,), ())


def test_a_person_found_by_several_identifiers_is_one_and_not_linked_with_itself() -> None:
    known = holder(1, has_bsuid=True)

    found = resolve(Person((PHONE, BSUID, PARENT)), {PHONE: known, BSUID: known, PARENT: known})

    assert (found.root, found.claims, found.linked) == (known, (), ())


HOLDERS = st.integers(1, 8).map(lambda made: holder(made, has_bsuid=made > 4))


@st.composite
def meetings(draw: st.DrawFn) -> tuple[Person, dict[Alias, Holder]]:
    """An item with at most one user id, and who holds what; only a person with a user id holds one."""
    aliases = draw(st.permutations([PHONE, OTHER_PHONE, BSUID, PARENT]))
    item = Person(tuple(aliases[: draw(st.integers(1, 4))]), draw(st.sampled_from(Evidence)))
    holders = draw(st.dictionaries(st.sampled_from([PHONE, OTHER_PHONE, PARENT]), HOLDERS))
    of_bsuid = draw(st.none() | st.integers(5, 8))
    return item, holders | ({BSUID: holder(of_bsuid, has_bsuid=True)} if of_bsuid else {})


@given(meetings())
def test_every_alias_ends_with_one_person_and_two_user_ids_never_meet(
    meeting: tuple[Person, dict[Alias, Holder]],
) -> None:
    item, holders = meeting

    found = resolve(item, holders)

    one = [found.root, *found.linked]
    assert all(alias in found.claims or holders[alias] in one for alias in item.aliases)
    assert len(set(one)) == len(one)
    assert all(found.root.made < linked.made for linked in found.linked if found.root)
    if item.evidence is not Evidence.CHANGED:
        with_bsuid = [person for person in one if person and person.has_bsuid]
        assert len(with_bsuid) + (BSUID in found.claims) <= 1


@given(meetings())
def test_who_a_person_is_does_not_depend_on_the_order_of_user_id_and_number(
    meeting: tuple[Person, dict[Alias, Holder]],
) -> None:
    item, holders = meeting
    kinds = {alias.kind: alias for alias in item.aliases}
    one_each = Person(tuple(kinds.values()), item.evidence)
    other = Person(tuple(reversed(one_each.aliases)), item.evidence)

    assert resolve(one_each, holders) == resolve(other, holders)
