"""Reads a raw table with tools other than ours and compares every column's cells with `offgridflow sql`.

read_raw.py PROGRAM --config FILE TABLE_FOLDER
"""
import json
import subprocess
import sys
from pathlib import Path

import deltalake
import duckdb
import duckdb_extensions
import polars
import pyarrow as arrow
import pyarrow.compute as compute
import pyarrow.parquet as parquet

program, config, folder = sys.argv[1], sys.argv[3], Path(sys.argv[4])


def ours(query):
    command = [program, "--config", config, "sql", "--output", "json", query]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def facts(table):
    """Of every column: how many cells there are, and how many different ones of those that compare."""
    found = {}
    for name in table.column_names:
        column = table[name]
        found[name] = [len(column) - column.null_count]
        if not arrow.types.is_map(column.type) and not arrow.types.is_list(column.type):
            found[name].append(compute.count_distinct(column, mode="only_valid").as_py())
    return found


duckdb_extensions.import_extension("delta")
connection = duckdb.connect()
connection.execute("LOAD delta")
delta = deltalake.DeltaTable(str(folder))
table = f"raw.{folder.name}"
names = [field.name for field in delta.schema().fields]
maps = [field.name for field in delta.schema().fields if "map" in str(field.type).lower()]
wanted = {}
for name in names:
    distinct = "" if name in maps else f', COUNT(DISTINCT "{name}") AS d'
    row = ours(f'SELECT COUNT("{name}") AS c{distinct} FROM {table}')[0]
    wanted[name] = [row[key] for key in ("c", "d") if key in row]
files = [parquet.read_table(uri.removeprefix("file://")) for uri in delta.file_uris()]
# The files themselves know nothing of the partition, and polars seeks it in their paths.
partition = {name: wanted[name] for name in delta.metadata().partition_columns}
readings = {
    "duckdb": facts(connection.execute(f"SELECT * FROM delta_scan('{folder}')").to_arrow_table()),
    "deltalake": facts(delta.to_pyarrow_table()),
    "polars": facts(polars.read_delta(str(folder)).to_arrow()) | partition,
    "pyarrow": facts(arrow.concat_tables(files, promote_options="default")) | partition,
}
failed = False
for reader, reading in readings.items():
    different = [
        f"{name}: {reading.get(name)} instead of {expected}"
        for name, expected in wanted.items()
        if reading.get(name) != expected
    ]
    failed |= bool(different)
    print(f"{reader}: {'; '.join(different) or 'agrees'}")
sys.exit(1 if failed else 0)
