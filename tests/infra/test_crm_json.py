"""The CRM's messages as programs really write them: what is odd is refused by the name of its field."""

import json
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from domain.crm.contacts import ContactKind
from domain.crm.deals import DealCategory
from domain.crm.merges import Merge
from domain.crm.records import Change, ContactRecord, DealRecord, RecordKind, Refusal, Remark, UserRecord
from infra.crm.fields import Customs, Unfit
from infra.crm.json import ACTORS, CHANGES, Line, id_of, read_change, read_lines, read_message

CONTACT: dict[str, Any] = {
    "id": "c1",
    "version": 7,
    "kind": "contact",
    "name": "Ann",
    "emails": ["ann@example.com"],
    "assigned_to": "uwe",
    "created_at": "2024-01-02T03:04:05Z",
}
DEAL: dict[str, Any] = {
    "id": "d1",
    "version": 7,
    "contact_ids": ["c1", "c2"],
    "stage": "Offer",
    "category": "WON",
    "closing_date": "2026-03-31",
}
USER: dict[str, Any] = {"id": "uwe", "version": 7, "name": "Uwe", "emails": ["uwe@firm.example"]}
EXAMPLES = {
    "crm.upsert_contact": CONTACT,
    "crm.delete_contact": {"id": "c1", "version": 7},
    "crm.upsert_deal": DEAL,
    "crm.delete_deal": {"id": "d1", "version": 7},
    "crm.upsert_user": USER,
    "crm.delete_user": {"id": "uwe", "version": 7},
}


def version_of(value: object) -> int:
    return read_change("crm.delete_deal", {"id": "d1", "version": value}).version


def reason_of(actor: str, fields: dict[str, Any]) -> str | None:
    """Why this message is refused, None when it is not."""
    try:
        read_change(actor, fields)
    except Unfit as error:
        return str(error)
    return None


@pytest.mark.rule("E71")
def test_a_merge_names_who_stays_and_whom_it_takes_in() -> None:
    fields = {"id": " c17", "version": 4, "merged_ids": ["c12", "c13 ", "c12"]}
    assert read_message("crm.merge_contacts", fields) == Merge("c17", ("c12", "c13"), 4)
    found = read_change("crm.upsert_contact", CONTACT | {"merged_from": ["lead"]}).record
    assert isinstance(found, ContactRecord)
    assert found.merged_from == ("lead",)


@pytest.mark.parametrize(
    ("actor", "other", "reason"),
    [
        pytest.param("crm.merge_contacts", {"merged_ids": []}, "merged_ids is empty", id="nobody"),
        pytest.param(
            "crm.merge_contacts", {"merged_ids": ["c1"]}, "merged_ids names the record itself", id="itself"
        ),
        pytest.param(
            "crm.merge_contacts", {"merged_ids": "c2"}, "merged_ids is no list of texts", id="a text"
        ),
        pytest.param(
            "crm.merge_contacts",
            {"merged_ids": [f"m{n}" for n in range(1_001)]},
            "merged_ids names more than 1000 records",
            id="too many",
        ),
        pytest.param(
            "crm.upsert_contact",
            {"merged_from": ["c1"]},
            "merged_from names the record itself",
            id="itself too",
        ),
    ],
)
def test_a_merge_that_is_odd_is_refused(actor: str, other: dict[str, Any], reason: str) -> None:
    base = CONTACT if actor == "crm.upsert_contact" else {"id": "c1", "version": 7, "merged_ids": ["c2"]}
    with pytest.raises(Unfit) as refused:
        read_message(actor, base | other)
    assert str(refused.value) == reason


def test_each_message_says_what_has_become_of_a_record() -> None:
    moment = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
    ann = ContactRecord("c1", ContactKind.CONTACT, "Ann", ("ann@example.com",), "uwe", moment)
    deal = DealRecord("d1", ("c1", "c2"), "Offer", DealCategory.WON, date(2026, 3, 31))
    uwe = UserRecord("uwe", "Uwe", ("uwe@firm.example",))
    assert [read_change(actor, fields) for actor, fields in EXAMPLES.items()] == [
        Change(RecordKind.CONTACTS, "c1", 7, ann),
        Change(RecordKind.CONTACTS, "c1", 7, None),
        Change(RecordKind.DEALS, "d1", 7, deal),
        Change(RecordKind.DEALS, "d1", 7, None),
        Change(RecordKind.USERS, "uwe", 7, uwe),
        Change(RecordKind.USERS, "uwe", 7, None),
    ]
    assert EXAMPLES.keys() == CHANGES.keys()


@pytest.mark.rule("E12", "E20", "E9")
def test_what_may_be_empty_may_be_empty() -> None:
    contact = CONTACT | {"name": "", "emails": [], "assigned_to": None}
    deal = DEAL | {"contact_ids": [], "stage": "", "category": None, "closing_date": None}
    found = [
        read_change(actor, fields).record
        for actor, fields in (
            ("crm.upsert_contact", contact),
            ("crm.upsert_contact", contact | {"assigned_to": ""}),
            ("crm.upsert_deal", deal),
            ("crm.upsert_deal", deal | {"category": "", "closing_date": ""}),
        )
    ]
    assert found[0] == found[1]
    assert found[2] == found[3] == DealRecord("d1", (), "", None, None)


@pytest.mark.rule("Z6", "D13")
def test_what_profiles_and_viewers_say_may_be_left_out() -> None:
    full = USER | {
        "role": "Sales",
        "roles_above": ["Head", "CEO", "Head"],
        "may_connect": False,
        "active": False,
    }
    assert read_change("crm.upsert_user", full).record == UserRecord(
        "uwe", "Uwe", ("uwe@firm.example",), "Sales", ("Head", "CEO"), may_connect=False, active=False
    )
    assert read_change("crm.upsert_user", USER | {"role": None, "roles_above": []}) == read_change(
        "crm.upsert_user", USER
    )
    contact = read_change("crm.upsert_contact", CONTACT | {"visible_to": ["uwe", "eva"]}).record
    assert isinstance(contact, ContactRecord)
    assert contact.visible_to == ("uwe", "eva")


def test_ids_and_addresses_lose_the_space_around_them_and_are_named_once() -> None:
    contact = CONTACT | {"id": " c1 ", "emails": [" Ann@Example.COM", "ann@example.com"]}
    record = read_change("crm.upsert_contact", contact).record
    assert isinstance(record, ContactRecord)
    assert (record.id, record.addresses) == ("c1", ("ann@example.com",))
    assert read_change("crm.delete_contact", {"id": " c1 ", "version": 1}).id == "c1"


@pytest.mark.parametrize(
    ("version", "number"),
    [
        pytest.param(0, 0, id="a counter begins"),
        pytest.param(2**63 - 1, 2**63 - 1, id="a counter ends"),
        pytest.param("1970-01-01T00:00:00Z", 0, id="time begins"),
        pytest.param("1970-01-01T01:00:00.000001+01:00", 1, id="a microsecond, elsewhere"),
        pytest.param("1970-01-01t00:00:01.5z", 1_500_000, id="small letters"),
        pytest.param("1970-01-01 00:00:00.0000019-00:00", 1, id="what is finer is cut off"),
    ],
)
def test_a_version_is_a_number_or_a_time(version: object, number: int) -> None:
    assert version_of(version) == number


@pytest.mark.parametrize(
    "version",
    [
        -1,
        2**63,
        1.0,
        True,
        None,
        "7",
        "",
        "2026-11-22",
        "2026-11-22T10:00:00",
        "2026-11-22T10:00Z",
        "2026-13-22T10:00:00Z",
        "1969-12-31T23:59:59Z",
        "0001-01-01T00:00:00+14:00",
        "٢٠٢٦-11-22T10:00:00Z",
    ],
)
def test_nothing_else_is_a_version(version: object) -> None:
    with pytest.raises(Unfit, match="version is neither"):
        version_of(version)


@pytest.mark.parametrize(
    ("actor", "other", "reason"),
    [
        pytest.param("crm.upsert_user", {"may_connect": "yes"}, "may_connect is neither true nor false", id="yes"),
        pytest.param("crm.upsert_user", {"active": None}, "active is neither true nor false", id="null as switch"),
        pytest.param("crm.upsert_user", {"roles_above": "CEO"}, "roles_above is no list of texts", id="one role"),
        pytest.param("crm.upsert_contact", {"visible_to": [""]}, "visible_to: entry 1 is missing", id="nobody"),
        pytest.param(
            "crm.upsert_deal",
            {"visible_to": []},
            "there is a field besides version, id, contact_ids, stage, category, closing_date, location",
            id="a deal's viewers",
        ),
        pytest.param("crm.upsert_contact", {"id": ""}, "id is missing", id="no id"),
        pytest.param("crm.upsert_contact", {"id": 17}, "id is no text", id="a number as id"),
        pytest.param("crm.delete_contact", {"id": None}, "id is no text", id="null as id"),
        pytest.param("crm.delete_deal", {"id": "x" * 256}, "id is longer than 255 characters", id="long id"),
        pytest.param("crm.upsert_contact", {"name": None}, "name is no text", id="null as name"),
        pytest.param("crm.upsert_contact", {"kind": "x"}, "kind is neither contact nor lead", id="kind"),
        pytest.param("crm.upsert_contact", {"emails": None}, "emails is no list of texts", id="null as list"),
        pytest.param("crm.upsert_user", {"emails": "a@b.example"}, "emails is no list of texts", id="text"),
        pytest.param("crm.upsert_user", {"emails": ["a@b.example", 1]}, "emails is no list of texts", id="in it"),
        pytest.param("crm.upsert_user", {"emails": ["", "x"]}, "emails: entry 1 is no address", id="no address"),
        pytest.param(
            "crm.upsert_deal", {"category": "Pipeline"}, "category is none of OPEN, WON, LOST", id="no category"
        ),
        pytest.param("crm.upsert_contact", {"created_at": 1}, "created_at is no text", id="a number as time"),
        pytest.param(
            "crm.upsert_contact", {"created_at": "x"}, "created_at is no ISO 8601 date or time", id="no time"
        ),
        pytest.param("crm.upsert_deal", {"contact_ids": [" "]}, "contact_ids: entry 1 is missing", id="empty"),
        pytest.param(
            "crm.upsert_deal", {"closing_date": "x"}, "closing_date is no ISO 8601 date", id="no date"
        ),
        pytest.param("crm.upsert_deal", {"stage": "a\0"}, "the record holds a NUL character", id="NUL"),
        pytest.param("crm.upsert_deal", {"stage": "\ud800"}, "the record is not UTF-8", id="half a character"),
        pytest.param("crm.delete_deal", {"id": "\ud800"}, "the record is not UTF-8", id="the same as id"),
        pytest.param(
            "crm.delete_deal", {"stage": "x"}, "there is a field besides version, id, location", id="one field too many"
        ),
    ],
)  # fmt: skip
def test_what_is_odd_is_refused_by_the_name_of_its_field(
    actor: str, other: dict[str, Any], reason: str
) -> None:
    assert reason_of(actor, EXAMPLES[actor] | other) == reason


@pytest.mark.rule("E107")
def test_one_bad_address_of_several_is_left_out_and_said() -> None:
    change = read_change("crm.upsert_contact", CONTACT | {"emails": ["n/a", "ann@example.com"]})
    assert change.record == read_change("crm.upsert_contact", CONTACT).record
    assert change.left_out == ("emails: entry 1 is no address and was left out",)
    line = json.dumps({"actor": "crm.upsert_contact"} | CONTACT | {"emails": ["n/a", "ann@example.com"]})
    assert list(read_lines([line.encode()]))[1:] == [Remark(1, change.left_out[0])]


@pytest.mark.rule("E9", "E106")
def test_words_and_days_are_the_organisations() -> None:
    customs = Customs(category={"closed lost": DealCategory.LOST}.get, zone=lambda: ZoneInfo("Europe/Berlin"))
    fields = DEAL | {"category": "Closed Lost", "closing_date": "2026-03-31T22:00:00Z"}
    deal = read_change("crm.upsert_deal", fields, customs).record
    assert deal == DealRecord("d1", ("c1", "c2"), "Offer", DealCategory.LOST, date(2026, 4, 1))
    contact = read_change("crm.upsert_contact", CONTACT | {"created_at": "2024-01-02"}, customs).record
    assert isinstance(contact, ContactRecord)
    assert contact.created_at == datetime(2024, 1, 1, 23, tzinfo=UTC)


def test_no_field_may_be_left_out() -> None:
    for actor, fields in EXAMPLES.items():
        for name in fields:
            with pytest.raises(Unfit, match=f"^{name} is missing$"):
                read_change(actor, {key: value for key, value in fields.items() if key != name})


@pytest.mark.rule("D2", "I3")
def test_a_reason_never_repeats_what_stood_there() -> None:
    reasons = [
        reason_of(actor, fields | {name: value})
        for actor, fields in EXAMPLES.items()
        for name in (*fields, "secret")
        for value in ("secret@", ["secret@"], {"secret": "secret"}, None)
    ]
    assert any(reasons)
    assert "secret" not in str(reasons)


def test_an_id_is_told_as_far_as_it_can_be_read() -> None:
    found = [id_of(fields) for fields in ({"id": " c1 "}, {}, {"id": 17}, {"id": ""}, {"id": "x" * 256})]
    assert found == ["c1", None, None, None, None]


def test_lines_are_changes_with_the_name_of_their_actor() -> None:
    good = json.dumps({"actor": "crm.upsert_user"} | USER).encode()
    lines = [
        b"\xef\xbb\xbf" + good,
        b" \r\n",
        b"{",
        b"[]",
        b"[" * 100_000,
        b'{"id": "\xff"}',
        b'{"id": "d1", "version": 1}',
        b'{"actor": ["crm.delete_deal"], "id": "d1", "version": 1}',
        b'{"actor": "crm.delete_deal", "id": "d1"}',
        good + b"\r\n",
    ]
    none = f"actor is none of {', '.join(ACTORS)}"
    assert list(read_lines(lines)) == [
        Line("crm.upsert_user", USER),
        Refusal(3, "the line is no JSON"),
        Refusal(4, "the line is no JSON object"),
        Refusal(5, "the line is no JSON"),
        Refusal(6, "the line is no JSON"),
        Refusal(7, none),
        Refusal(8, none),
        Refusal(9, "version is missing"),
        Line("crm.upsert_user", USER),
    ]
