"""The port MailSearch, at every provider that has a search."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.errors import TryAgain
from domain.mail.content import MailQuery
from domain.mail.folders import Folder
from handlers.ports.capabilities import MailSearch
from tests.contracts.world import ANN, World, mail, promised

MOMENT = datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC)
OF_ANN = MailQuery((ANN,))


@pytest.fixture
def search(world: World) -> MailSearch:
    world.must_have("MailSearch")
    search = world.open().search
    assert search is not None
    return search


def found(search: MailSearch, query: MailQuery) -> list[str]:
    """All pages, without a doubt at the end."""
    ids: list[str] = []
    page: str | None = None
    for _ in range(1_000):
        some = search.find(query, page)
        ids += some.message_ids
        page = some.next_page
        if page is None:
            return ids
    raise AssertionError("there is always one more page")


def test_it_has_all_that_the_port_names(search: MailSearch) -> None:
    assert promised(MailSearch) <= set(dir(search))


@pytest.mark.rule("Z17")
@pytest.mark.parametrize("addresses", [0, 1, 60, 500])
def test_a_search_is_split_without_asking_and_none_of_it_is_left_out(
    world: World, search: MailSearch, addresses: int
) -> None:
    query = MailQuery(tuple(f"nobody.number.{n}@example.net" for n in range(addresses)), before=1_800_000_000)
    parts = search.split(query)
    assert tuple(address for part in parts for address in part.addresses) == query.addresses
    assert {part.before for part in parts} == {query.before}
    assert world.asked().requests == 0


@pytest.mark.rule("Z17a")
def test_the_owners_words_stay_one_search(search: MailSearch) -> None:
    query = MailQuery(words="word " * 3_000)
    assert search.split(query) == (query,)


@pytest.mark.rule("Z17", "Z18")
def test_mail_of_an_address_is_found_whichever_field_it_stands_in(world: World, search: MailSearch) -> None:
    sent = world.deliver(mail(sender="uwe@example.com", to=f"Ann <{ANN}>"), Folder.SENT, MOMENT)
    got = world.deliver(mail(), Folder.OTHER, MOMENT + timedelta(seconds=1))
    copied = world.deliver(b"Cc: ann@example.org\r\n" + mail(sender="eve@example.net"))
    world.deliver(mail(sender="eve@example.net"))
    assert {sent, got, copied} <= set(found(search, OF_ANN))


@pytest.mark.rule("Z18")
def test_what_is_put_away_or_a_draft_is_not_found_by_an_address(world: World, search: MailSearch) -> None:
    for folder in (Folder.SPAM, Folder.TRASH, Folder.DRAFTS):
        world.deliver(mail(), folder)
    shown = world.deliver(mail())
    assert found(search, OF_ANN) == [shown]


def test_a_search_for_nobody_who_ever_wrote_finds_nothing(world: World, search: MailSearch) -> None:
    world.deliver(mail())
    assert found(search, MailQuery(("nobody@example.net",))) == []


@pytest.mark.rule("Z17")
def test_pages_come_newest_first_and_lead_to_the_end(world: World, search: MailSearch) -> None:
    ids = [world.deliver(mail(f"{n}"), received=MOMENT + timedelta(minutes=n)) for n in range(103)]
    assert found(search, OF_ANN) == ids[::-1]
    first = search.find(OF_ANN, None)
    assert 0 < len(first.message_ids) < len(ids)
    assert first.next_page is not None
    assert search.find(OF_ANN, first.next_page) == search.find(OF_ANN, first.next_page)


def test_only_what_came_before_a_second_is_found(world: World, search: MailSearch) -> None:
    early = world.deliver(mail(), received=MOMENT - timedelta(seconds=1))
    world.deliver(mail(), received=MOMENT)
    before = int(MOMENT.timestamp())
    assert found(search, MailQuery((ANN,), before=before)) == [early]
    assert found(search, MailQuery(before=before)) == [early]


@pytest.mark.rule("Z17a")
def test_the_owners_words_find_what_he_means(world: World, search: MailSearch) -> None:
    lunch = world.deliver(mail("lunch"))
    world.deliver(mail("dinner"))
    assert found(search, MailQuery(words="lunch")) == [lunch]
    assert len(found(search, MailQuery())) == 2


@pytest.mark.rule("E87")
def test_a_limit_on_a_search_is_a_wait(world: World, search: MailSearch) -> None:
    found(search, OF_ANN)
    world.throttle(40)
    with pytest.raises(TryAgain) as limited:
        search.find(OF_ANN, None)
    assert limited.value.after is not None
