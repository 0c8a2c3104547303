"""The rows of `make scale`, by name."""

from tests.scale.frame import Row
from tests.scale.rows_due import due

ROWS: dict[str, Row] = {
    "due": due,
}
