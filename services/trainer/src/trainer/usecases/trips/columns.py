"""The TLC's columns, which differ by year, service and who saved the file, as one schema."""

import pyarrow as pa

from trainer.data.columns import flags, numbers, times, whole_numbers
from trainer.data.errors import MissingColumn, UnreadableColumn

TRIPS = pa.schema(
    [
        ("pickup_at", pa.timestamp("us")),  # New York local time, as all times here
        ("dropoff_at", pa.timestamp("us")),
        ("pu_location_id", pa.int32()),
        ("do_location_id", pa.int32()),
        ("trip_distance", pa.float64()),  # miles
        ("passenger_count", pa.int32()),
        ("vendor_id", pa.int32()),
        ("ratecode_id", pa.int32()),
        ("store_and_fwd_flag", pa.string()),
        ("payment_type", pa.int32()),
        ("trip_type", pa.int32()),
        ("fare_amount", pa.float64()),  # US dollars, as all that follow
        ("extra", pa.float64()),
        ("mta_tax", pa.float64()),
        ("tip_amount", pa.float64()),
        ("tolls_amount", pa.float64()),
        ("ehail_fee", pa.float64()),
        ("improvement_surcharge", pa.float64()),
        ("congestion_surcharge", pa.float64()),
        ("airport_fee", pa.float64()),
        ("cbd_congestion_fee", pa.float64()),
        ("total_amount", pa.float64()),
    ]
)
"""A month's trips, whatever the file looked like. Columns that a file lacks are null."""

REQUIRED = ("pickup_at", "dropoff_at", "pu_location_id", "do_location_id", "trip_distance")
"""What a trip can't do without."""
