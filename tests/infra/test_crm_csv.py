"""CRM files as integrators really write them: each bad row by its line, all the others in."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from domain.contacts import Kind
from domain.crm import ContactRecord, DealRecord, Record, Records, Refusal, UserRecord
from domain.labels import DealCategory
from infra.crm_csv import CrmFile, Unusable

CONTACTS = "id,kind,name,emails,assigned_to,created_at"
DEALS = "id,contact_ids,stage,category,closing_date"
GOOD = "c1,contact,Ann,ann@example.com,uwe,2024-01-02T03:04:05Z"
ANN = ContactRecord(
    "c1", Kind.CONTACT, "Ann", ("ann@example.com",), "uwe", datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
)


def rows(folder: Path, text: str | bytes, kind: Records = Records.CONTACTS) -> list[Record | Refusal]:
    """All rows of a file with this content."""
    path = folder / "records.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with CrmFile(path, kind) as file:
        return list(file.rows())


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
    assert found.kind is Kind.LEAD
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
            "c1,contact,Ann,ann@example.com;no address,,2024-01-02",
            "emails: entry 2 is no address",
            id="an address that is none",
        ),
        pytest.param("c1,contact,Ann,,,", "created_at is no ISO 8601 date or time", id="no time of creation"),
        pytest.param(
            "c1,contact,Ann,,,02.01.2024", "created_at is no ISO 8601 date or time", id="a date of our own"
        ),
        pytest.param(
            "c1,contact,Ann,,,0001-01-01T00:00+14:00",
            "created_at is no ISO 8601 date or time",
            id="a time before time",
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
        (2, "created_at is no ISO 8601 date or time"),
        (6, "created_at is no ISO 8601 date or time"),
    ]


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param('c1,contact,"Ann,ann@example.com,,2024-01-02', id="a quote that never ends"),
        pytest.param('c1,contact,"Ann" Smith,ann@example.com,,2024-01-02', id="a quote that ends too early"),
    ],
)
def test_a_stray_quote_costs_its_own_row_and_no_other(tmp_path: Path, broken: str) -> None:
    others = [f'c{n},contact,"Bob, {n}",b{n}@example.com,,2024-01-02' for n in range(2, 5_000)]
    found = rows(tmp_path, "\n".join((CONTACTS, broken, *others)))
    assert [one.id for one in found] == ["c1", *(f"c{n}" for n in range(2, 5_000))]
    [bad] = [one for one in found if isinstance(one, Refusal)]
    assert bad.line == 2


def test_a_row_that_is_not_utf8_is_refused_alone(tmp_path: Path) -> None:
    text = f"{CONTACTS}\n{GOOD}\nc2,contact,B\xf6b,,,2024-01-02\n{GOOD}\n".encode("latin-1")
    assert rows(tmp_path, text) == [ANN, Refusal(3, "the record is not UTF-8", "c2"), ANN]


@pytest.mark.rule("E8", "E9")
def test_a_deal_has_contacts_a_category_and_perhaps_a_closing_date(tmp_path: Path) -> None:
    text = (
        f"{DEALS}\nd1,c1; c2;c1,Offer,won,2026-03-31\nd2,,Idea,,\nd3,c1,Odd,MAYBE,\nd4,c1,Offer,OPEN,31.3.\n"
    )
    assert rows(tmp_path, text, Records.DEALS) == [
        DealRecord("d1", ("c1", "c2"), "Offer", DealCategory.WON, date(2026, 3, 31)),
        DealRecord("d2", (), "Idea", None, None),
        DealRecord("d3", ("c1",), "Odd", None, None),
        Refusal(5, "closing_date is no ISO 8601 date", "d4"),
    ]


@pytest.mark.rule("E9")
@pytest.mark.parametrize("category", [None, DealCategory.OPEN])
def test_a_stage_without_category_counts_as_open(category: DealCategory | None) -> None:
    assert DealRecord("d1", (), "Idea", category, None).counts_as is DealCategory.OPEN


def test_a_user_has_addresses(tmp_path: Path) -> None:
    text = "id,name,emails\nuwe,Uwe,uwe@firm.example;Uwe@Home.example\n"
    assert rows(tmp_path, text, Records.USERS) == [
        UserRecord("uwe", "Uwe", ("uwe@firm.example", "uwe@home.example"))
    ]


@pytest.mark.rule("Z6", "D13")
def test_columns_of_profiles_and_viewers_may_be_there(tmp_path: Path) -> None:
    text = "active,id,name,emails,roles_above,role,may_connect\nYES,uwe,Uwe,,CEO; Head ;,Sales,0\n"
    assert rows(tmp_path, text, Records.USERS) == [
        UserRecord("uwe", "Uwe", (), "Sales", ("CEO", "Head"), may_connect=False, active=True)
    ]
    found = rows(tmp_path, f"{CONTACTS},visible_to\n{GOOD},eva;uwe\n{GOOD.replace('c1', 'c2')},\n")
    assert [one.visible_to for one in found if isinstance(one, ContactRecord)] == [("eva", "uwe"), ()]


@pytest.mark.rule("Z6")
@pytest.mark.parametrize("word", ["", "maybe", "2"])
def test_a_permission_that_is_neither_given_nor_withdrawn_refuses_the_row(tmp_path: Path, word: str) -> None:
    [refusal] = rows(tmp_path, f"id,name,emails,may_connect\nuwe,Uwe,,{word}\n", Records.USERS)
    assert refusal == Refusal(2, "may_connect is neither true nor false", "uwe")


def test_an_optional_column_stands_there_once(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="the column role more than once"):
        rows(tmp_path, "id,name,emails,role,role\n", Records.USERS)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("", "has no column id, kind, name, emails, assigned_to, created_at", id="an empty file"),
        pytest.param(f"{GOOD}\n", "its first line has to be a header", id="no header"),
        pytest.param(
            "id,kind,name,assigned_to,created_at\n", "has no column emails:", id="a column is missing"
        ),
        pytest.param(f"{CONTACTS},id\n", "has the column id more than once", id="a column stands twice"),
        pytest.param(CONTACTS.encode("utf-16"), "has no column", id="UTF-16"),
        pytest.param(CONTACTS.replace(",", ";"), "has no column", id="semicolons between columns"),
    ],
)
def test_an_unusable_file_is_told_in_one_line(tmp_path: Path, text: str | bytes, words: str) -> None:
    with pytest.raises(Unusable, match=words) as caught:
        rows(tmp_path, text)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_told_in_one_line(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere.csv", tmp_path):
        with pytest.raises(Unusable, match="cannot be read"):
            CrmFile(path, Records.CONTACTS)
