"""What all tables are part of, and the migration that makes them."""

from sqlalchemy import MetaData

HEAD = "0008"
"""This release's migration, which makes these tables. A constant, as every process checks it and Alembic is slow to
start."""

metadata = MetaData()
"""All tables: the package imports each module, so that it is whole whichever of them is asked for."""
