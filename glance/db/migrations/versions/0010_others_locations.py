"""Data on web servers are never this service's own. Programs that knew no such difference recorded some while the schema had it already."""

import sqlalchemy as sa

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None
phase = "migrate"

LOCATIONS = sa.table("image_locations", sa.column("id", sa.Integer), sa.column("value", sa.Text), sa.column("owned", sa.Boolean))
BATCH = 5000


def batch(connection, after):
    """Mends the rows that follow id ``after``; gives the id of the last one that it looked at, and of the last of all; None where there is none."""
    ids = sa.select(LOCATIONS.c.id).where(LOCATIONS.c.id > after).order_by(LOCATIONS.c.id).limit(BATCH).subquery()
    reached = connection.scalar(sa.select(sa.func.max(ids.c.id)))
    if reached is None:
        return None
    looked_at = (LOCATIONS.c.id > after) & (LOCATIONS.c.id <= reached)
    elsewhere = sa.or_(LOCATIONS.c.value.like("http://%"), LOCATIONS.c.value.like("https://%"))
    connection.execute(sa.update(LOCATIONS).where(looked_at, elsewhere, LOCATIONS.c.owned.is_(True)).values(owned=False))
    return reached, connection.scalar(sa.select(sa.func.max(LOCATIONS.c.id)))
