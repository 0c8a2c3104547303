"""The repositories of one organisation, or one location, within a transaction (T2)."""

from functools import cached_property

from sqlalchemy import Connection

from domain.crm.locations import Location
from infra.db.channels import OrganisationChannelRepository
from infra.db.connections.aliases import AliasRepository
from infra.db.connections.in_location import (
    LocationConnectionRepository,
    OrganisationConnectionRepository,
)
from infra.db.connections.sharing import SharingRepository
from infra.db.connections.sign_ins import SignInRepository
from infra.db.conversations.events import EventRepository
from infra.db.conversations.joining import ConversationRepository
from infra.db.conversations.reading import ConversationReadRepository
from infra.db.conversations.sent_mails import SentMailRepository
from infra.db.crm.belongings import BelongingRepository
from infra.db.crm.contacts import ContactRepository
from infra.db.crm.records import CrmRepository
from infra.db.crm.settings import LocationSettingRepository, SettingRepository
from infra.db.crm.users import UserRepository
from infra.db.mail.notification_list import NotificationListRepository
from infra.db.mail.reports import MailReportRepository
from infra.db.mail.sorting import SortingRepository
from infra.db.objects import ObjectRepository
from infra.secrets import Cipher


class InOrganisation:
    """The repositories of an organisation, each made when it is first used."""

    def __init__(self, db: Connection, organisation_id: int, cipher: Cipher) -> None:
        self.db = db
        self.organisation_id = organisation_id
        self.cipher = cipher

    users = cached_property(lambda here: UserRepository(here.db, here.organisation_id))
    settings = cached_property(lambda here: SettingRepository(here.db, here.organisation_id))
    channels = cached_property(
        lambda here: OrganisationChannelRepository(here.db, here.organisation_id, here.cipher)
    )
    notification_list = cached_property(
        lambda here: NotificationListRepository(here.db, here.organisation_id)
    )
    objects = cached_property(lambda here: ObjectRepository(here.db, here.organisation_id, here.cipher))
    connections = cached_property(
        lambda here: OrganisationConnectionRepository(here.db, here.organisation_id, here.cipher)
    )


class InLocation(InOrganisation):
    """The repositories of a location and of its organisation."""

    def __init__(self, db: Connection, location: Location, cipher: Cipher, redrive_after: float) -> None:
        super().__init__(db, location.organisation_id, cipher)
        self.location = location
        self.redrive_after = redrive_after

    aliases = cached_property(lambda here: AliasRepository(here.db, here.location))
    belongings = cached_property(lambda here: BelongingRepository(here.db, here.location, here.objects))
    connections = cached_property(
        lambda here: LocationConnectionRepository(here.db, here.location, here.cipher)
    )
    conversations = cached_property(lambda here: ConversationRepository(here.db, here.location))
    contacts = cached_property(lambda here: ContactRepository(here.db, here.location))
    crm = cached_property(lambda here: CrmRepository(here.db, here.location))
    events = cached_property(lambda here: EventRepository(here.db, here.location, here.redrive_after))
    conversation_reading = cached_property(lambda here: ConversationReadRepository(here.db, here.location))
    location_settings = cached_property(lambda here: LocationSettingRepository(here.db, here.location))
    reports = cached_property(lambda here: MailReportRepository(here.db, here.location))
    sent_mails = cached_property(lambda here: SentMailRepository(here.db, here.location))
    sharing = cached_property(lambda here: SharingRepository(here.db, here.location))
    sign_ins = cached_property(lambda here: SignInRepository(here.db, here.location, here.cipher))
    sorting = cached_property(lambda here: SortingRepository(here.db, here.location))
