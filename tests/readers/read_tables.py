"""Reads every published table with tools other than ours and compares row counts and sums with `offgridflow sql`.

read_tables.py PROGRAM --config FILE WAREHOUSE
"""
import json
import math
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import deltalake
import duckdb
import duckdb_extensions
import polars
import pyarrow as arrow
import pyarrow.compute as compute
import pyarrow.parquet as parquet

program, config, warehouse = sys.argv[1], sys.argv[3], Path(sys.argv[4])


def ours(query):
    command = [program, "--config", config, "sql", "--output", "json", query]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def is_number(kind):
    return arrow.types.is_decimal(kind) or arrow.types.is_floating(kind) or arrow.types.is_integer(kind)


def agree(one, other):
    """Decimals to the last digit, doubles to what the order of a sum may change."""
    if one is None or other is None:
        return one is other
    if isinstance(one, float) or isinstance(other, float):
        return math.isclose(float(one), float(other), rel_tol=1e-9, abs_tol=1e-9)
    return Decimal(str(one)) == Decimal(str(other))


def duckdb_sums(connection, relation, columns):
    sums = ", ".join(f'SUM("{column}")' for column in columns)
    return connection.execute(f"SELECT COUNT(*), {sums} FROM {relation}").fetchone()


def arrow_sums(table, columns):
    return [table.num_rows] + [compute.sum(table[column]).as_py() for column in columns]


def polars_sums(frame, columns):
    sums = frame.select(polars.col(column).sum() for column in columns).row(0)
    empty = [frame[column].null_count() == frame.height for column in columns]
    return [frame.height] + [None if none else value for none, value in zip(empty, sums)]


duckdb_extensions.import_extension("delta")
connection = duckdb.connect()
connection.execute("LOAD delta")
failed = False
for folder in sorted((warehouse / "publish").iterdir()):
    table = folder.name
    plain = str(warehouse / "published" / table / "current" / "*.parquet")
    files = sorted((warehouse / "published" / table / "current").glob("*.parquet"))
    snapshot = parquet.read_table(files)
    columns = [field.name for field in snapshot.schema if is_number(field.type)]
    sums = ", ".join(f'SUM("{column}") AS c{index}' for index, column in enumerate(columns))
    row = ours(f"SELECT COUNT(*) AS n, {sums} FROM publish.{table}")[0]
    wanted = [row["n"]] + [row[f"c{index}"] for index in range(len(columns))]
    wanted = [Decimal(value) if isinstance(value, str) else value for value in wanted]
    delta = deltalake.DeltaTable(str(folder))
    readings = {
        "duckdb delta": duckdb_sums(connection, f"delta_scan('{folder}')", columns),
        "duckdb parquet": duckdb_sums(connection, f"read_parquet('{plain}')", columns),
        "deltalake": arrow_sums(delta.to_pyarrow_table(), columns),
        "polars delta": polars_sums(polars.read_delta(str(folder)), columns),
        "polars parquet": polars_sums(polars.read_parquet(plain), columns),
        "pyarrow": arrow_sums(snapshot, columns),
    }
    latest = json.loads((warehouse / "published" / table / "latest.json").read_text())
    for reader, reading in readings.items():
        different = [
            f"{name}: {value} instead of {expected}"
            for name, value, expected in zip(["rows"] + columns, reading, wanted)
            if not agree(value, expected)
        ]
        failed |= bool(different)
        print(f"{reader} {table}: {'; '.join(different) or 'agrees'} ({reading[0]} rows, {len(columns)} sums)")
    if not latest:
        failed = True
        print(f"published/{table}/latest.json names nothing")
sys.exit(1 if failed else 0)
