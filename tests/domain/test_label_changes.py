"""What a contact's category changes in Gmail (D10), and which mail is sorted at all (D16)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.mail.folders import Folder
from domain.sorting.label_changes import (
    LabelChange,
    LabelledMail,
    LeftBecause,
    replacing_change,
    restoring_change,
    sorting_change,
)

CTM, OPENED, CUSTOMER = "Label_1", "Label_2", "Label_3"
CRM = frozenset({CTM, OPENED, CUSTOMER})


def rule(*ids: str) -> pytest.MarkDecorator:
    return pytest.mark.rule(*ids)


CHANGES = [
    pytest.param("INBOX", "", "+Label_2 -INBOX", marks=rule("D10-1"), id="in the Inbox"),
    pytest.param(
        "INBOX UNREAD STARRED IMPORTANT CATEGORY_UPDATES",
        "",
        "+Label_2 -INBOX",
        marks=rule("D10-1"),
        id="unread, starred, important and Gmail's categories stay",
    ),
    pytest.param(
        "INBOX Label_9", "", "+Label_2 -INBOX", marks=rule("D10-1", "Z35"), id="the user's label stays"
    ),
    pytest.param("Label_9", "", "+Label_2", marks=rule("D10-2", "Z35"), id="filed by the user's filter"),
    pytest.param("", "", "+Label_2", marks=rule("D10-2"), id="archived already"),
    pytest.param(
        "INBOX Label_1",
        "Label_1",
        "+Label_2 -INBOX -Label_1",
        marks=rule("D10-1", "Z35"),
        id="our other label goes",
    ),
    pytest.param(
        "Label_9 Label_3", "Label_3", "+Label_2 -Label_3", marks=rule("D10-2"), id="also when filed"
    ),
    pytest.param("Label_2", "Label_2", "+Label_2", marks=rule("D10-2"), id="done already"),
    pytest.param("INBOX", "Label_2", "+Label_2 -INBOX", marks=rule("D10-1"), id="begun before a crash"),
    pytest.param("INBOX Label_1", "", None, marks=rule("D10-6"), id="the user put another CRM label"),
    pytest.param("INBOX Label_2", "", None, marks=rule("D10-6"), id="the user put the very label"),
    pytest.param("Label_1 Label_3", "Label_1", None, marks=rule("D10-6"), id="the user added one to ours"),
    pytest.param("INBOX", "Label_1", None, marks=rule("D10-6"), id="the user took ours off"),
    pytest.param("SPAM", "", None, marks=rule("D10-4"), id="spam"),
    pytest.param("TRASH", "", None, marks=rule("D10-4"), id="in the trash"),
    pytest.param("DRAFT", "", None, marks=rule("D10-4"), id="a draft"),
]


FOLDERS = {"INBOX": Folder.INBOX, "SPAM": Folder.SPAM, "TRASH": Folder.TRASH, "DRAFT": Folder.DRAFTS}


def shown(words: str) -> LabelledMail:
    """A mail by its labels and its folder."""
    labels = frozenset(words.split())
    folder = next((FOLDERS[word] for word in labels & FOLDERS.keys()), Folder.OTHER)
    return LabelledMail(folder, labels - FOLDERS.keys(), "thread")


def spelled(found: LabelChange | None) -> str | None:
    """ "+added -removed", so that a row of the table is one line."""
    if found is None:
        return None
    added = [*(["INBOX"] if found.to_inbox else []), *sorted(found.add)]
    removed = [*(["INBOX"] if found.leave_inbox else []), *sorted(found.remove)]
    return " ".join([*(f"+{one}" for one in added), *(f"-{one}" for one in removed)])


@pytest.mark.rule("D10")
@pytest.mark.parametrize(("labels", "ours", "expected"), CHANGES)
def test_change(labels: str, ours: str, expected: str | None) -> None:
    mail = shown(labels)
    found = sorting_change(mail.folder, mail.label_ids, OPENED, CRM, frozenset(ours.split()))
    assert spelled(found) == expected


@pytest.mark.rule("D10", "D10-5", "E47")
@pytest.mark.parametrize(
    ("labels", "ours", "expected"),
    [
        pytest.param("Label_1", "Label_1", "+Label_2 -Label_1", id="our old label is replaced"),
        pytest.param("INBOX Label_1", "Label_1", "+Label_2 -Label_1", id="its place in the Inbox stays"),
        pytest.param("Label_2", "Label_2", None, id="the same label already"),
        pytest.param("INBOX", "", None, id="never labelled"),
        pytest.param("Label_1", "", None, id="labelled by the user"),
        pytest.param("INBOX", "Label_1", None, id="unlabelled by the user"),
        pytest.param("TRASH Label_1", "Label_1", None, id="in the trash"),
    ],
)
def test_replacement_on_an_earlier_mail(labels: str, ours: str, expected: str | None) -> None:
    mail = shown(labels)
    found = replacing_change(mail.folder, mail.label_ids, OPENED, CRM, frozenset(ours.split()))
    assert spelled(found) == expected


@pytest.mark.rule("D10", "E58", "E59", "E60", "I6")
@pytest.mark.parametrize(
    ("labels", "made", "expected"),
    [
        pytest.param("UNREAD Label_2", "+Label_2 -INBOX", "+INBOX -Label_2", id="back into the Inbox"),
        pytest.param("Label_9 Label_2", "+Label_2", "-Label_2", id="it was filed before us"),
        pytest.param(
            "Label_2", "+Label_2 -INBOX -Label_1", "+INBOX -Label_2", id="a replaced label is not put back"
        ),
        pytest.param("INBOX", "+Label_2 -INBOX", "", id="restored already"),
        pytest.param("Label_9", "+Label_2", "", id="restored already, filed"),
        pytest.param("UNREAD", "+Label_2 -INBOX", LeftBecause.LABEL_GONE, id="the user took our label off"),
        pytest.param("INBOX Label_2", "+Label_2 -INBOX", LeftBecause.IN_INBOX, id="he moved it back"),
        pytest.param("Label_1 Label_2", "+Label_2 -INBOX", LeftBecause.OTHER_LABEL, id="he added another"),
        pytest.param("INBOX Label_3", "+Label_2 -INBOX", LeftBecause.OTHER_LABEL, id="he chose another"),
        pytest.param("TRASH Label_2", "+Label_2 -INBOX", LeftBecause.SPAM_OR_TRASH, id="in the trash"),
        pytest.param("SPAM", "+Label_2 -INBOX", LeftBecause.SPAM_OR_TRASH, id="in spam"),
    ],
)
def test_what_undoes_a_change(labels: str, made: str, expected: str) -> None:
    signs = made.split()
    change = LabelChange(
        frozenset(one[1:] for one in signs if one[0] == "+"),
        frozenset(one[1:] for one in signs if one[0] == "-") - {"INBOX"},
        leave_inbox="-INBOX" in signs,
    )
    found = restoring_change(shown(labels), change, CRM)
    assert (found if isinstance(found, LeftBecause) else spelled(found)) == expected


LABEL_IDS = st.frozensets(st.sampled_from([CTM, OPENED, CUSTOMER, "UNREAD", "Label_9"]))


@pytest.mark.rule("D10", "Z35", "Z34")
@given(
    LABEL_IDS,
    st.booleans(),
    st.sampled_from([CTM, OPENED, CUSTOMER]),
    st.frozensets(st.sampled_from([CTM, OPENED, CUSTOMER])),
)
def test_a_sorted_mail_has_one_crm_label_and_all_of_the_users(
    labels: frozenset[str], in_inbox: bool, own: str, ours: frozenset[str]
) -> None:
    found = sorting_change(Folder.INBOX if in_inbox else Folder.OTHER, labels, own, CRM, ours)
    if found is not None:
        after = (labels | found.add) - found.remove
        assert after & CRM == {own}
        assert (found.leave_inbox, found.to_inbox) == (in_inbox, False)
        assert labels - CRM == after - CRM
