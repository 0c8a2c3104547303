"""The rows of `make scale`, by name."""

from tests.scale.frame import Row
from tests.scale.rows_channels import outage
from tests.scale.rows_due import due
from tests.scale.rows_leave import leave
from tests.scale.rows_mail import contact, ledger
from tests.scale.rows_page import page
from tests.scale.rows_purge import purge
from tests.scale.rows_way_up import way_up
from tests.scale.rows_work import pause, redrive, rest

ROWS: dict[str, Row] = {
    "due": due,
    "purge": purge,
    "redrive": redrive,
    "rest": rest,
    "pause": pause,
    "leave": leave,
    "outage": outage,
    "contact": contact,
    "ledger": ledger,
    "page": page,
    "way_up": way_up,
}
