"""The tables, by noun."""

from infra.db.tables import channels as channels
from infra.db.tables import connections as connections
from infra.db.tables import conversations as conversations
from infra.db.tables import crm as crm
from infra.db.tables import events as events
from infra.db.tables import ledger as ledger
from infra.db.tables import mail as mail
from infra.db.tables import mailboxes as mailboxes
from infra.db.tables import objects as objects
from infra.db.tables import units as units
