"""What one organisation, or one location, can see and change within a transaction, by noun (T2)."""

from functools import cached_property

from sqlalchemy import Connection

from domain.crm.locations import Location
from infra.db.channels import OrganisationChannelRows
from infra.db.connections.aliases import AliasRows
from infra.db.connections.sharing import SharingRows
from infra.db.connections.sign_ins import SignInRows
from infra.db.connections.user_connections import LocationConnectionRows, OrganisationConnectionRows
from infra.db.crm.belongings import BelongingRows
from infra.db.crm.contacts import ContactRows
from infra.db.crm.records import CrmRows
from infra.db.crm.settings import LocationSettingRows, SettingRows
from infra.db.crm.users import UserRows
from infra.db.mail.notices import NoticeRows
from infra.db.mail.replacements import SortingRows
from infra.db.mail.reports import MailReportRows
from infra.secrets import Cipher


class InOrganisation:
    """What belongs to an organisation. Each repository is made when it is asked for."""

    def __init__(self, db: Connection, organisation_id: int, cipher: Cipher) -> None:
        self.db = db
        self.organisation_id = organisation_id
        self.cipher = cipher

    users = cached_property(lambda here: UserRows(here.db, here.organisation_id))
    settings = cached_property(lambda here: SettingRows(here.db, here.organisation_id))
    channels = cached_property(
        lambda here: OrganisationChannelRows(here.db, here.organisation_id, here.cipher)
    )
    notices = cached_property(lambda here: NoticeRows(here.db, here.organisation_id))
    connections = cached_property(
        lambda here: OrganisationConnectionRows(here.db, here.organisation_id, here.cipher)
    )


class InLocation(InOrganisation):
    """What belongs to a location, and to its organisation."""

    def __init__(self, db: Connection, location: Location, cipher: Cipher) -> None:
        super().__init__(db, location.organisation_id, cipher)
        self.location = location

    aliases = cached_property(lambda here: AliasRows(here.db, here.location))
    belongings = cached_property(lambda here: BelongingRows(here.db, here.location))
    connections = cached_property(lambda here: LocationConnectionRows(here.db, here.location, here.cipher))
    contacts = cached_property(lambda here: ContactRows(here.db, here.location))
    crm = cached_property(lambda here: CrmRows(here.db, here.location))
    own_settings = cached_property(lambda here: LocationSettingRows(here.db, here.location))
    reports = cached_property(lambda here: MailReportRows(here.db, here.location))
    sharing = cached_property(lambda here: SharingRows(here.db, here.location))
    sign_ins = cached_property(lambda here: SignInRows(here.db, here.location, here.cipher))
    sorting = cached_property(lambda here: SortingRows(here.db, here.location))
