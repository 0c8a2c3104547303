"""CRM files as integrators really write them: each bad row by its line, all the others in."""

from collections.abc import Container, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from domain.crm.contacts import ContactKind
from domain.crm.deals import DealCategory
from domain.crm.records import (
    ContactRecord,
    DealRecord,
    RecordKind,
    Refusal,
    Remark,
    Row,
    Unread,
    UserRecord,
    category_word,
)
from infra.crm.csv import CrmFile, Reading, Unusable
from infra.crm.fields import Customs

CONTACTS = "id,kind,name,emails,assigned_to,created_at"
DEALS = "id,contact_ids,stage,category,closing_date"
NO_TIME = "created_at is no ISO 8601 date or time; --date-format '%d.%m.%Y' says how dates are written"
NO_DATE = "closing_date is no ISO 8601 date; --date-format '%d.%m.%Y' says how dates are written"
GOOD = "c1,contact,Ann,ann@example.com,uwe,2024-01-02T03:04:05Z"
ANN = ContactRecord(
    "c1", ContactKind.CONTACT, "Ann", ("ann@example.com",), "uwe", datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
)


def rows(
    folder: Path,
    text: str | bytes,
    kind: RecordKind = RecordKind.CONTACTS,
    reading: Reading | None = None,
    customs: Customs | None = None,
    whole: Mapping[str, Container[str]] | None = None,
) -> list[Row]:
    """All rows of a file with this content."""
    path = folder / "records.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with CrmFile(path, kind, reading) as file:
        return list(file.rows(customs or Customs(), whole))


def ids(found: list[Row]) -> list[str | None]:
    """Of the records that go in."""
    return [one.id for one in found if isinstance(one, ContactRecord | DealRecord | UserRecord)]


def refusals(folder: Path, *lines: str, header: str = CONTACTS) -> list[tuple[int, str]]:
    """Line and reason of what is refused of contacts."""
    found = rows(folder, "\n".join((header, *lines, "")))
    return [(one.line, one.reason) for one in found if isinstance(one, Refusal)]


def contact(folder: Path, line: str) -> ContactRecord:
    """The one contact on this line."""
    [found] = rows(folder, f"{CONTACTS}\n{line}\n")
    assert isinstance(found, ContactRecord)
    return found


def test_a_contact_is_read_as_it_stands(tmp_path: Path) -> None:
    assert contact(tmp_path, GOOD) == ANN


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"\ufeff{CONTACTS}\r\n{GOOD}\r\n", id="byte order mark and Windows line ends"),
        pytest.param(f"{CONTACTS}\r{GOOD}", id="old Mac line ends and none at the end"),
        pytest.param(f"{CONTACTS}\n\n   \n{GOOD}\n\n", id="empty lines"),
        pytest.param(f"{CONTACTS}\n,,,,,\n{GOOD}\n , ,,,,\n", id="empty rows of a spreadsheet"),
        pytest.param(f"{CONTACTS}\n{GOOD}\n".encode("utf-16"), id="UTF-16"),
        pytest.param(f"{CONTACTS}\n{GOOD}\n".replace(",", "\t").encode("utf-16"), id="Excel's Unicode text"),
        pytest.param(
            "\ufeff".encode("utf-16-be") + f"{CONTACTS}\n{GOOD}\n".encode("utf-16-be"), id="the other way"
        ),
        pytest.param(f"{CONTACTS}\n{GOOD}\n".replace(",", ";"), id="semicolons"),
        pytest.param(f"{CONTACTS}\n{GOOD}\n".replace(",", "\t"), id="tabs"),
        pytest.param(f"sep=,\n{CONTACTS}\n{GOOD}\n", id="a line for Excel"),
        pytest.param(f"sep=|\r\n{CONTACTS}\r\n{GOOD}\r\n".replace(",", "|"), id="a separator that it names"),
        pytest.param(
            '"id";"kind";"name";"emails";"assigned_to";"created_at"\n'
            '"c1";"contact";"Ann";"ann@example.com";"uwe";"2024-01-02T03:04:05Z"\n',
            id="all in quotes, between semicolons",
        ),
        pytest.param(
            f"ID,Kind,Name,E-mails,Assigned To,created-AT\n{GOOD}\n", id="a header in another style"
        ),
        pytest.param(f" ID , Kind,NAME,emails,Assigned_To,created_at\n{GOOD}\n", id="header in another case"),
        pytest.param(
            "notes,created_at,kind,id,emails,name,assigned_to\n"
            '"a ""note"" of\nthree\nlines",2024-01-02T03:04:05Z,contact,c1,ann@example.com,Ann,uwe\n',
            id="another order, and columns that nobody asked for",
        ),
    ],
)
def test_what_does_not_matter_does_not_matter(tmp_path: Path, text: str) -> None:
    assert rows(tmp_path, text) == [ANN]


@pytest.mark.rule("E12", "E13", "D5")
def test_several_addresses_each_in_its_exact_form_once(tmp_path: Path) -> None:
    found = contact(
        tmp_path, "c1,lead,Ann, Ann@Example.COM ;;ann@example.com; a.nn@bücher.example ,,2024-01-02"
    )
    assert found.addresses == ("ann@example.com", "a.nn@xn--bcher-kva.example")
    assert found.kind is ContactKind.LEAD
    assert found.assigned_to is None


@pytest.mark.rule("E20")
def test_a_contact_without_any_address_goes_in(tmp_path: Path) -> None:
    assert contact(tmp_path, "c1,contact,Ann, ; ,uwe,2024-01-02").addresses == ()


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        pytest.param("2024-01-02", datetime(2024, 1, 2, tzinfo=UTC), id="a date"),
        pytest.param(
            "2024-01-02 03:04", datetime(2024, 1, 2, 3, 4, tzinfo=UTC), id="without a zone it is UTC"
        ),
        pytest.param("2024-01-02T03:04+02:00", datetime(2024, 1, 2, 1, 4, tzinfo=UTC), id="with a zone"),
    ],
)
def test_times_of_creation(tmp_path: Path, text: str, moment: datetime) -> None:
    assert contact(tmp_path, f"c1,contact,Ann,,,{text}").created_at == moment


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        pytest.param(" ,contact,Ann,,,2024-01-02", "id is missing", id="no id"),
        pytest.param(
            f"{'9' * 256},contact,Ann,,,2024-01-02", "id is longer than 255 characters", id="long id"
        ),
        pytest.param("c1,person,Ann,,,2024-01-02", "kind is neither contact nor lead", id="no such kind"),
        pytest.param(
            "c1,contact,Ann,ann@@example.com;no address,,2024-01-02",
            "emails: entry 1 is no address",
            id="addresses that are none",
        ),
        pytest.param("c1,contact,Ann,,,", NO_TIME, id="no time of creation"),
        pytest.param("c1,contact,Ann,,,02.01.2024", NO_TIME, id="a date of our own"),
        pytest.param("c1,contact,Ann,,,0001-01-01T00:00+14:00", NO_TIME, id="a time before time"),
        pytest.param(
            f"c1,contact,{'A' * 262_145},,,2024-01-02",
            "name is longer than 262,144 characters",
            id="long name",
        ),
        pytest.param(
            "c1,contact,Smith, Ann,,,2024-01-02",
            "7 columns where the header has 6",
            id="a comma without quotes",
        ),
        pytest.param("c1,contact", "2 columns where the header has 6", id="half a row"),
        pytest.param("c1,contact,A\0n,,,2024-01-02", "the record holds a NUL character", id="NUL"),
    ],
)
def test_a_bad_row_is_refused_by_its_line_and_the_rest_goes_in(
    tmp_path: Path, line: str, reason: str
) -> None:
    assert refusals(tmp_path, GOOD, line, GOOD) == [(3, reason)]


def test_a_reason_never_repeats_what_stood_there(tmp_path: Path) -> None:
    assert "secret" not in str(
        refusals(tmp_path, "c1,contact,Ann,secret@@example.com,,secret", "c1,secret,,,,")
    )


def test_a_record_over_several_lines_is_refused_by_its_first(tmp_path: Path) -> None:
    assert refusals(tmp_path, 'c1,contact,"Ann\nof\nBonn",,,never', GOOD, "c2,contact,,,,never") == [
        (2, NO_TIME),
        (6, NO_TIME),
    ]


INNER = "c17,contact,Ann,mallory@evil.example,,2020-01-01"
"""What a web form's text may hold: a record of the file it will stand in."""


@pytest.mark.parametrize("bad", [b"c\xf6", b"c\0", b"c" * 256])
def test_what_no_record_can_have_as_its_id_is_told_as_none(tmp_path: Path, bad: bytes) -> None:
    text = f"{CONTACTS}\n{GOOD}\nc3,contact,Jörg Ärmel,,,2024-01-02\n".encode()
    found = rows(tmp_path, text + bad + b",contact,B,,,2024-01-02\n" + bad + b",ragged\n")
    assert [one.id for one in found if isinstance(one, Refusal)] == [None, None]


@pytest.mark.rule("E107")
@pytest.mark.parametrize(
    ("record", "columns"),
    [
        pytest.param(f'c2,lead,"Hello\n{INNER}\nbye",,,2024-01-02,', 7, id="one column too many"),
        pytest.param(f'c2,lead,"Hello\n{INNER}\nbye",,2024-01-02', 5, id="one column too few"),
        pytest.param(f'c2,lead,"{(INNER + chr(10)) * 5_000}",,2024-01-02', 5, id="and far too long"),
    ],
)
def test_nothing_within_a_refused_record_is_a_record(tmp_path: Path, record: str, columns: int) -> None:
    found = rows(tmp_path, f"{CONTACTS}\n{GOOD}\n{record}\n{GOOD}\n")
    assert found == [ANN, Refusal(3, f"{columns} columns where the header has 6", "c2"), ANN]


@pytest.mark.rule("E107")
@pytest.mark.parametrize("name", ["note", "name"])
def test_nothing_within_a_cell_is_a_record_however_long_the_cell(tmp_path: Path, name: str) -> None:
    text = f"{INNER}\n" * 200_000
    long_one = "c2,lead,{name},,,2024-01-02,{note}\n".format(**{"name": "L", "note": "", name: f'"{text}"'})
    found = rows(tmp_path, f"{CONTACTS},note\n{GOOD},\n{long_one}{GOOD},\n")
    assert (found[0], found[2]) == (ANN, ANN)
    assert len(found) == 3
    if name == "name":
        assert found[1] == Refusal(3, "name is longer than 262,144 characters", "c2")
    else:
        assert ids(found) == ["c1", "c2", "c1"], "what nobody asked for may be as long as it likes"


@pytest.mark.rule("E107")
@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        pytest.param(
            'c2,contact,"Bob,bob@example.com,,2024-01-02',
            "a quote is open to the end of the file",
            id="never ends",
        ),
        pytest.param(
            'c2,contact,"Bob" Smith,,,2024-01-02', "text follows a closing quote", id="ends too early"
        ),
        pytest.param(
            'c2,contact,"B \\"ob\\"",,,2024-01-02', "--escape '\\\\'", id="backslashes before quotes"
        ),
    ],
)
def test_after_a_quoting_error_nothing_is_read_and_what_was_not_is_counted(
    tmp_path: Path, broken: str, reason: str
) -> None:
    *read, unread = rows(tmp_path, "\n".join((CONTACTS, GOOD, broken, INNER, GOOD, "")))
    assert read == [ANN]
    assert isinstance(unread, Unread)
    assert (unread.line, unread.lines) == (3, 3)
    assert reason.replace("\\\\", "\\") in unread.reason


@pytest.mark.rule("E107")
def test_the_line_of_a_quoting_error_is_named_where_its_record_begins_earlier(tmp_path: Path) -> None:
    [unread] = rows(tmp_path, f'{CONTACTS}\nc2,contact,"Bob\nof\nBonn" or so,,,2024-01-02\n{GOOD}\n')
    assert isinstance(unread, Unread)
    assert (unread.line, unread.lines) == (2, 4)
    assert unread.reason.startswith("in line 4 text follows a closing quote")


@pytest.mark.rule("E107")
def test_what_stands_before_a_quote_can_be_said(tmp_path: Path) -> None:
    text = f'{CONTACTS}\nc2,lead,"He said \\"hi\\"\n{INNER}\nbye",,,2024-01-02\n{GOOD}\n'
    lead, ann = rows(tmp_path, text, reading=Reading(escape="\\"))
    assert isinstance(lead, ContactRecord)
    assert (lead.name, ann) == (f'He said "hi"\n{INNER}\nbye', ANN)
    path = f'{CONTACTS}\nc2,lead,"C:\\temp\\",,,2024-01-02\n'
    [lead] = rows(tmp_path, path, reading=Reading(escape='"'))
    assert isinstance(lead, ContactRecord)
    assert lead.name == "C:\\temp\\"


@pytest.mark.rule("E107")
def test_a_file_of_an_old_windows_program_is_read_and_known_as_such(tmp_path: Path) -> None:
    path = tmp_path / "old.csv"
    path.write_bytes(f"{CONTACTS}\nc2,contact,J\xf6rg \x80,,,2024-01-02\n{GOOD}\n".encode("latin-1"))
    with CrmFile(path, RecordKind.CONTACTS) as file:
        found = list(file.rows())
        assert file.is_windows
    assert isinstance(found[0], ContactRecord)
    assert (found[0].name, found[1]) == ("Jörg €", ANN)


def test_a_row_that_is_not_utf8_is_refused_alone_in_a_file_that_is(tmp_path: Path) -> None:
    text = f"{CONTACTS}\n{GOOD}\nc2,contact,".encode() + b"B\xf6b,,,2024-01-02\n"
    text += "c3,contact,Jörg Ärmel,,,2024-01-02\n".encode()
    found = rows(tmp_path, text)
    assert found[1] == Refusal(3, "the record is not UTF-8", "c2")
    assert ids(found) == ["c1", "c3"]


@pytest.mark.rule("E107")
@pytest.mark.parametrize(
    ("cell", "addresses"),
    [
        pytest.param("a@example.com;b@example.com", ("a@example.com", "b@example.com"), id="semicolon"),
        pytest.param('"a@example.com, b@example.com"', ("a@example.com", "b@example.com"), id="comma"),
        pytest.param('"a@example.com\r\nb@example.com"', ("a@example.com", "b@example.com"), id="line break"),
        pytest.param("a@example.com ::: b@example.com", ("a@example.com", "b@example.com"), id="Google's"),
        pytest.param('"a@example.com;, \n"', ("a@example.com",), id="empty ones do not count"),
    ],
)
def test_several_values_in_a_cell_are_told_apart(
    tmp_path: Path, cell: str, addresses: tuple[str, ...]
) -> None:
    assert contact(tmp_path, f"c1,contact,Ann,{cell},,2024-01-02").addresses == addresses


@pytest.mark.rule("E107")
@pytest.mark.parametrize(
    ("cell", "found"),
    [
        pytest.param("Smith, Ann", ("Smith, Ann",), id="alone"),
        pytest.param("c1;Smith, Ann;c2", ("c1", "Smith, Ann", "c2"), id="among others"),
        pytest.param("Smith, Bob", ("Smith", "Bob"), id="one that is not known"),
        pytest.param("a;b;c", ("a;b", "c"), id="the longest that is known"),
    ],
)
def test_an_id_with_a_separator_in_it_is_taken_whole_when_it_is_known(
    tmp_path: Path, cell: str, found: tuple[str, ...]
) -> None:
    known = {"contact_ids": {"Smith, Ann", "a;b"}}
    [deal] = rows(tmp_path, f'{DEALS}\nd1,"{cell}",Offer,OPEN,\n', RecordKind.DEALS, whole=known)
    assert isinstance(deal, DealRecord)
    assert deal.contact_ids == found


@pytest.mark.rule("E107")
def test_one_bad_address_of_several_is_named_and_left_out(tmp_path: Path) -> None:
    found = rows(tmp_path, f"{CONTACTS}\nc1,contact,Ann,n/a;ann@example.com;-,uwe,2024-01-02T03:04:05Z\n")
    assert found == [
        ANN,
        Remark(2, "emails: entry 1 is no address and was left out", "c1"),
        Remark(2, "emails: entry 3 is no address and was left out", "c1"),
    ]


@pytest.mark.rule("E107")
@pytest.mark.parametrize("number", ["5.184E+18", "5,184E+18", "1e+12"])
def test_a_number_that_a_spreadsheet_has_shortened_is_named(tmp_path: Path, number: str) -> None:
    _, said = rows(tmp_path, f'{CONTACTS}\n"{number}",contact,Ann,,,2024-01-02\n')
    assert isinstance(said, Remark)
    assert said.reason.startswith("id is a number that a spreadsheet has shortened")


@pytest.mark.rule("E8", "E9")
def test_a_deal_has_contacts_a_category_and_perhaps_a_closing_date(tmp_path: Path) -> None:
    text = f"{DEALS}\nd1,c1; c2;c1,Offer,won,2026-03-31\nd2,,Idea,,\nd4,c1,Offer,OPEN,31.3.\n"
    assert rows(tmp_path, text, RecordKind.DEALS) == [
        DealRecord("d1", ("c1", "c2"), "Offer", DealCategory.WON, date(2026, 3, 31)),
        DealRecord("d2", (), "Idea", None, None),
        Refusal(4, NO_DATE, "d4"),
    ]


@pytest.mark.rule("E9")
def test_a_word_that_is_no_category_is_refused_unless_it_has_a_meaning(tmp_path: Path) -> None:
    text = f"{DEALS}\nd1,,s,Closed  LOST,\nd2,,s,Pipeline,\nd3,,s, lost ,\n"
    words = {category_word("closed lost"): DealCategory.LOST}
    lost, refused, plain = rows(tmp_path, text, RecordKind.DEALS, customs=Customs(category=words.get))
    assert isinstance(lost, DealRecord)
    assert isinstance(plain, DealRecord)
    assert (lost.category, plain.category) == (DealCategory.LOST, DealCategory.LOST)
    assert isinstance(refused, Refusal)
    assert (refused.line, refused.id, refused.word) == (3, "d2", "Pipeline")
    for word in ("category", "OPEN, WON, LOST", "--category", "settings set category"):
        assert word in refused.reason
    assert "Pipeline" not in refused.reason


@pytest.mark.rule("E106")
@pytest.mark.parametrize(
    ("text", "zone", "day"),
    [
        pytest.param("2026-03-31", "Europe/Berlin", date(2026, 3, 31), id="a date"),
        pytest.param(
            "2026-03-31T00:00:00.000Z", "America/New_York", date(2026, 3, 31), id="midnight UTC is a date"
        ),
        pytest.param("2026-03-31 00:00+00:00", "Asia/Tokyo", date(2026, 3, 31), id="so is +00:00"),
        pytest.param("2026-03-31T22:00:00.000Z", "Europe/Berlin", date(2026, 4, 1), id="the day in Berlin"),
        pytest.param(
            "2026-03-31T22:00:00.000Z", "America/New_York", date(2026, 3, 31), id="the day in New York"
        ),
        pytest.param("2026-03-31T22:00:00.000Z", "UTC", date(2026, 3, 31), id="the day in UTC"),
        pytest.param("2026-03-31T00:00+02:00", "Europe/Berlin", date(2026, 3, 31), id="midnight elsewhere"),
        pytest.param("2026-03-31T00:00+02:00", "UTC", date(2026, 3, 30), id="is a moment like any other"),
        pytest.param(
            "2026-03-31T00:00:00.000001Z", "America/New_York", date(2026, 3, 30), id="just after midnight"
        ),
        pytest.param("2026-03-31 22:00", "Europe/Berlin", date(2026, 3, 31), id="without an offset"),
        pytest.param("2026-03-31 00:00:00", "America/New_York", date(2026, 3, 31), id="midnight without one"),
    ],
)
def test_a_moment_where_a_date_is_meant(tmp_path: Path, text: str, zone: str, day: date) -> None:
    customs = Customs(zone=lambda: ZoneInfo(zone))
    [deal] = rows(tmp_path, f"{DEALS}\nd1,,s,OPEN,{text}\n", RecordKind.DEALS, customs=customs)
    assert isinstance(deal, DealRecord)
    assert deal.closing_date == day


@pytest.mark.rule("E106")
@pytest.mark.parametrize(
    ("text", "form", "moment"),
    [
        pytest.param(
            "2024-07-02", None, datetime(2024, 7, 1, 22, tzinfo=UTC), id="the organisation's day begins"
        ),
        pytest.param("2.7.2024", "%d.%m.%Y", datetime(2024, 7, 1, 22, tzinfo=UTC), id="in another format"),
        pytest.param(
            "7/2/24 03:04", "%m/%d/%y %H:%M", datetime(2024, 7, 2, 3, 4, tzinfo=UTC), id="with a time"
        ),
    ],
)
def test_a_time_of_creation_in_the_organisations_zone(
    tmp_path: Path, text: str, form: str | None, moment: datetime
) -> None:
    customs = Customs(zone=lambda: ZoneInfo("Europe/Berlin"), date_format=form)
    [found] = rows(tmp_path, f"{CONTACTS}\nc1,contact,Ann,,,{text}\n", customs=customs)
    assert isinstance(found, ContactRecord)
    assert found.created_at == moment


@pytest.mark.rule("E106")
def test_a_date_in_another_format_than_was_said_is_refused(tmp_path: Path) -> None:
    customs = Customs(date_format="%d.%m.%Y")
    text = f"{DEALS}\nd1,,s,OPEN,31.03.2026\nd2,,s,OPEN,2026-03-31\n"
    good, refused = rows(tmp_path, text, RecordKind.DEALS, customs=customs)
    assert isinstance(good, DealRecord)
    assert good.closing_date == date(2026, 3, 31)
    assert isinstance(refused, Refusal)
    assert refused.reason.startswith("closing_date is no date as %d.%m.%Y writes it")


@pytest.mark.rule("E9")
@pytest.mark.parametrize("category", [None, DealCategory.OPEN])
def test_a_stage_without_category_counts_as_open(category: DealCategory | None) -> None:
    assert DealRecord("d1", (), "Idea", category, None).counts_as is DealCategory.OPEN


def test_a_user_has_addresses(tmp_path: Path) -> None:
    text = "id,name,emails\nuwe,Uwe,uwe@firm.example;Uwe@Home.example\n"
    assert rows(tmp_path, text, RecordKind.USERS) == [
        UserRecord("uwe", "Uwe", ("uwe@firm.example", "uwe@home.example"))
    ]


@pytest.mark.rule("Z6", "D13")
def test_columns_of_profiles_and_viewers_may_be_there(tmp_path: Path) -> None:
    text = "active,id,name,emails,roles_above,role,may_connect\nYES,uwe,Uwe,,CEO; Head ;,Sales,0\n"
    assert rows(tmp_path, text, RecordKind.USERS) == [
        UserRecord("uwe", "Uwe", (), "Sales", ("CEO", "Head"), may_connect=False, active=True)
    ]
    found = rows(tmp_path, f"{CONTACTS},visible_to\n{GOOD},eva;uwe\n{GOOD.replace('c1', 'c2')},\n")
    assert [one.visible_to for one in found if isinstance(one, ContactRecord)] == [("eva", "uwe"), ()]


@pytest.mark.rule("Z6")
@pytest.mark.parametrize("word", ["", "maybe", "2"])
def test_a_permission_that_is_neither_given_nor_withdrawn_refuses_the_row(tmp_path: Path, word: str) -> None:
    [refusal] = rows(tmp_path, f"id,name,emails,may_connect\nuwe,Uwe,,{word}\n", RecordKind.USERS)
    assert refusal == Refusal(2, "may_connect is neither true nor false", "uwe")


def test_an_optional_column_stands_there_once(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="the column role more than once"):
        rows(tmp_path, "id,name,emails,role,role\n", RecordKind.USERS)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param(
            "", "is empty: its first line has to be a header with id,kind,name,emails", id="an empty file"
        ),
        pytest.param(f"{GOOD}\n", "its first line has to be a header", id="no header"),
        pytest.param(
            "id,kind,name,assigned_to,created_at\n", "has no column emails:", id="a column is missing"
        ),
        pytest.param(f"{CONTACTS},id\n", "has the column id more than once", id="a column stands twice"),
        pytest.param(CONTACTS.encode("utf-16-le"), "byte order mark", id="UTF-16 that does not say so"),
        pytest.param(
            b"PK\x03\x04\x14\0\x06\0",
            "is a spreadsheet .*: open it .* choose Save As .* CSV UTF-8",
            id="Excel",
        ),
        pytest.param(b"\xd0\xcf\x11\xe0\xa1\xb1", "is a spreadsheet", id="Excel of old"),
        pytest.param(
            f'"{CONTACTS}\n{GOOD}\n', "cannot be read from its first line on", id="a stray quote in it"
        ),
        pytest.param(
            CONTACTS.replace("emails", "E-Mail") + "\n",
            '--map "E-Mail=emails"',
            id="a column of another name",
        ),
    ],
)
def test_an_unusable_file_is_told_in_one_line(tmp_path: Path, text: str | bytes, words: str) -> None:
    with pytest.raises(Unusable, match=words) as caught:
        rows(tmp_path, text)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_told_in_one_line(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere.csv", tmp_path):
        with pytest.raises(Unusable, match="cannot be read"):
            CrmFile(path, RecordKind.CONTACTS)


@pytest.mark.rule("E107")
@pytest.mark.parametrize(
    ("kind", "header", "field"),
    [
        pytest.param(RecordKind.CONTACTS, f"{CONTACTS},visable_to", "visible_to", id="visable_to"),
        pytest.param(RecordKind.CONTACTS, f"{CONTACTS},Visible", "visible_to", id="Visible"),
        pytest.param(
            RecordKind.CONTACTS, f"{CONTACTS},visible_to_user_ids", "visible_to", id="a longer name"
        ),
        pytest.param(RecordKind.USERS, "id,name,emails,roles", "role", id="roles"),
        pytest.param(RecordKind.USERS, "id,name,emails,role,role_above", "roles_above", id="role_above"),
        pytest.param(RecordKind.USERS, "id,name,emails,may_conect", "may_connect", id="may_conect"),
        pytest.param(RecordKind.USERS, "id,name,emails,Is Active", "active", id="Is Active"),
        pytest.param(RecordKind.USERS, "id,name,emails,aktive", "active", id="aktive"),
    ],
)
def test_a_column_of_rights_under_a_wrong_name_refuses_the_file(
    tmp_path: Path, kind: RecordKind, header: str, field: str
) -> None:
    name = header.rpartition(",")[2]
    with pytest.raises(Unusable, match=f'has no column {field}, .*--map "{name}={field}".*--map "{name}=-"'):
        rows(tmp_path, f"{header}\n", kind)
    assert rows(tmp_path, f"{header}\n", kind, Reading({name: field})) == []
    assert rows(tmp_path, f"{header}\n", kind, Reading({name: "-"})) == []


@pytest.mark.rule("E107")
@pytest.mark.parametrize("name", ["Visible To", "VISIBLE-TO", "visibleto", "visible_to "])
def test_a_column_of_rights_in_another_style_counts(tmp_path: Path, name: str) -> None:
    [found] = rows(tmp_path, f"{CONTACTS},{name}\n{GOOD},eva\n")
    assert isinstance(found, ContactRecord)
    assert found.visible_to == ("eva",)


@pytest.mark.rule("E107")
def test_columns_that_nobody_knows_are_named_and_one_can_be_given_a_meaning(tmp_path: Path) -> None:
    path = tmp_path / "contacts.csv"
    header = f"{CONTACTS.replace('emails', 'E-Mail')},Title,,note\n"
    path.write_text(f"{header}{GOOD},Dr,,x\n")
    with CrmFile(path, RecordKind.CONTACTS, Reading({"e mail": "emails"})) as file:
        assert file.columns.unknown == ("Title", "note")
        assert list(file.rows()) == [ANN]
