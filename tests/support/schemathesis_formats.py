"""Teaches schemathesis the format of a local time, so that it makes days which the calendar has."""

import schemathesis
from hypothesis import strategies as st

schemathesis.openapi.format("date-time-local", st.datetimes().map(lambda moment: moment.isoformat()))
