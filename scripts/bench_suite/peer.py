"""What DuckDB needs for a stage on the same files. As a program: peer.py rollup|land|land-parquet TREE OUT THREADS.

rollup: the daily GROUP BY of a CUR 2.0 tree to one Parquet file, without factors or joins. land: csv.gz read as text and
written as zstd Parquet. land-parquet: the same with Parquet.
"""
import resource
import sys
import time
from pathlib import Path

ROLLUP = """
    select bill_payer_account_id, line_item_usage_account_id, line_item_product_code, product_region_code region,
      line_item_usage_type, line_item_operation, product_instance_type, pricing_unit, line_item_line_item_type,
      resource_tags['user_team'] team, cast(line_item_usage_start_date as date) charge_date,
      sum(line_item_usage_amount) quantity, sum(line_item_unblended_cost) billed_cost, count(*) line_count
    from read_parquet('{tree}/cur2/data/*/*.parquet') group by all"""
STAGES = {
    "rollup": ROLLUP,
    "land": "select * from read_csv('{tree}/cur/*/*/*.csv.gz', all_varchar = true, union_by_name = true)",
    "land-parquet": "select * from read_parquet('{tree}/cur2/data/*/*.parquet')",
}


def measure(shared, what, tree, work, threads):
    """Seconds and peak memory of one fresh process."""
    from .process import Took, run

    out = work / f"peer-{what}.parquet"
    program = shared / "peer_duckdb.py"
    if program.is_file():
        command = [sys.executable, program, what, tree, out, "--threads", threads, "--once"]
    else:
        command = [sys.executable, __file__, what, tree, out, threads]
    _, said = run(command)
    seconds, peak = map(float, said.split())
    out.unlink(missing_ok=True)
    return Took(seconds, peak)


def main():
    import duckdb

    what, tree, out, threads = sys.argv[1:]
    connection = duckdb.connect()
    connection.execute(f"set threads = {int(threads)}")
    started = time.perf_counter()
    query = STAGES[what].format(tree=Path(tree))
    connection.execute(f"copy ({query}) to '{out}' (format parquet, compression zstd)")
    scale = 2**20 if sys.platform == "darwin" else 2**10
    print(time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale)


if __name__ == "__main__":
    main()
