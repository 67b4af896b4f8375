"""A table that is larger than the worker's memory: writes a CSV of 2 GB and its use case into a checkout.

``python -m benchmarks.large_table [ROWS]``: data/rides.csv and usecases/rides/usecase.yaml. See README.md.
"""

import sys
from pathlib import Path

import duckdb

ROWS = 30_000_000
REGIONS = ("alpine", "baltic", "coastal", "delta", "eastern", "forest", "garden", "harbour")
STATIONS = 900

DECLARATION = f"""\
name: rides
description: How long a ride takes. Generated, for a measurement of memory.
sources: {{files: {{files: data/rides.csv}}}}
table:
  time: started_at
  period: month
  key: [ride_id]
  columns:
    ride_id: {{type: integer}}
    started_at: {{type: timestamp}}
    region: {{type: text}}
    station: {{type: text}}
    distance_km: {{type: number}}
    riders: {{type: integer}}
    temperature: {{type: number}}
    slope: {{type: number}}
    minutes: {{type: number}}
target: {{column: minutes, unit: minute, minimum: 0}}
fields:
  started_at: {{type: timestamp}}
  region: {{type: category, values: [{", ".join(REGIONS)}]}}
  station: {{type: category, values: [{", ".join(f"st-{number}" for number in range(STATIONS))}]}}
  distance_km: {{type: number, minimum: 0}}
  riders: {{type: integer, minimum: 1}}
  temperature: {{type: number}}
  slope: {{type: number}}
judge: {{slices: [region]}}
train: {{last: 11}}
"""


def write(rows: int, root: Path) -> Path:
    """The CSV, a year of rides, and its use case; the CSV's path."""
    target = root / "data" / "rides.csv"
    target.parent.mkdir(exist_ok=True)
    (root / "usecases" / "rides").mkdir(parents=True, exist_ok=True)
    (root / "usecases" / "rides" / "usecase.yaml").write_text(DECLARATION)
    # by hashes of the row's number: the same file each time
    query = f"""
        SELECT i AS ride_id,
          TIMESTAMP '2023-01-01' + INTERVAL (i * 31536000 // {rows}) SECOND AS started_at,
          [{", ".join(repr(region) for region in REGIONS)}][1 + (hash(i) % {len(REGIONS)})::INT] AS region,
          'st-' || (hash(i + 1) % {STATIONS})::VARCHAR AS station,
          round((hash(i + 2) % 100000) / 1000.0, 3) AS distance_km,
          (hash(i + 3) % 6 + 1)::INT AS riders,
          round(-10 + (hash(i + 4) % 4000) / 100.0, 2) AS temperature,
          round((hash(i + 5) % 10000) / 1000.0, 3) AS slope,
          round(5 + (hash(i + 2) % 100000) / 1000.0 * 2.2 + (hash(i) % 8) * 3 + (hash(i + 6) % 9000) / 100.0, 2)
            AS minutes
        FROM range({rows}) numbers(i)"""  # noqa: S608  (our own texts)
    duckdb.execute(f"COPY ({query}) TO '{target}' (HEADER)")
    return target


if __name__ == "__main__":
    written = write(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS, Path.cwd())
    print(f"{written}: {written.stat().st_size / 1e9:.2f} GB; TRAINER_MEMORY=1g make up USECASE=rides")  # noqa: T201
