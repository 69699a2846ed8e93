"""Made-up bills: by the generator beside the checkout where there is one, else by the small one here.

AWS CUR 2.0 as Parquet with manifests (`cur2/`), legacy CUR as csv.gz with manifests (`cur/`), FOCUS as plain CSV.
"""
import csv
import datetime
import json
import sys
from pathlib import Path

from .process import run

SERVICES = [
    ("AmazonEC2", "BoxUsage:m5.xlarge", "RunInstances", "m5.xlarge", "Hrs"),
    ("AmazonEC2", "BoxUsage:c6g.xlarge", "RunInstances", "c6g.xlarge", "Hrs"),
    ("AmazonEC2", "EBS:VolumeUsage.gp3", "CreateVolume-Gp3", "", "GB-Mo"),
    ("AmazonS3", "TimedStorage-ByteHrs", "StandardStorage", "", "GB-Mo"),
    ("AmazonRDS", "InstanceUsage:db.r5.large", "CreateDBInstance", "db.r5.large", "Hrs"),
    ("AWSDataTransfer", "DataTransfer-Out-Bytes", "Invoke", "", "GB"),
]
REGIONS = ["us-east-1", "us-west-2", "eu-west-1", "eu-central-1"]


def months(first, count):
    """The first days of `count` months from `first` (YYYY-MM), and of the one behind each."""
    year, month = map(int, first.split("-"))
    starts = [datetime.date(year + (month - 1 + n) // 12, (month - 1 + n) % 12 + 1, 1) for n in range(count + 1)]
    return list(zip(starts, starts[1:]))


def cur(shared, folder, rows, count, kind, first="2026-01", seed=7):
    """A tree of AWS bills below `folder`: kind `parquet` is CUR 2.0, `csv` legacy CUR."""
    generator = shared / "generate_cur.py"
    if generator.is_file():
        options = ["--rows", rows, "--months", count, "--format", kind, "--first", first, "--seed", seed]
        run([sys.executable, generator, folder, *options])
        return
    import duckdb

    connection = duckdb.connect()
    for number, (start, end) in enumerate(months(first, count)):
        per_month = rows // count
        lines = _lines(number * per_month, (number + 1) * per_month, start, (end - start).days * 24, seed)
        if kind == "parquet":
            _cur2(connection, folder, lines, start, f"{start}-{rows}-{seed}")
        else:
            _legacy(connection, folder, lines, start, end, f"{start}-{rows}-{seed}")


def _pick(column, values):
    """One of `values` by a number, as SQL."""
    texts = ", ".join(f"'{value}'" for value in values)
    return f"[{texts}][({column} % {len(values)})::int + 1]"


def _lines(low, high, start, hours, seed):
    service = lambda index: _pick("s", [row[index] for row in SERVICES])  # noqa: E731
    return f"""
    select '100000000000' bill_payer_account_id, timestamp '{start}' bill_billing_period_start_date,
      (200000000000 + h % 20)::varchar line_item_usage_account_id, 'Usage' line_item_line_item_type,
      ts line_item_usage_start_date, ts + interval 1 hour line_item_usage_end_date, {service(0)} line_item_product_code,
      {service(1)} line_item_usage_type, {service(2)} line_item_operation, r || 'a' line_item_availability_zone,
      'arn:aws:ec2:' || r || ':resource/i-' || lpad(to_hex(h % 50000), 17, '0') line_item_resource_id,
      round((h % 10000) / 1000.0 + 0.01, 6)::double line_item_usage_amount, 'USD' line_item_currency_code,
      round((h % 9000) / 10000.0, 6)::double line_item_unblended_cost, nullif({service(3)}, '') product_instance_type,
      r product_region_code, {service(4)} pricing_unit,
      map {{'user_team': 'team-' || (h % 40), 'user_env': {_pick("h // 7", ["prod", "staging", "dev"])}}} resource_tags
    from (select h, s, {_pick("h // 31", REGIONS)} r, timestamp '{start}' + to_hours((h // 97 % {hours})::int) ts
      from (select hash(i::varchar || '{seed}') h, (hash(i::varchar || '{seed}') // 11) s from range({low}, {high}) t(i)))"""


def _cur2(connection, folder, lines, start, delivery):
    period = f"{start:%Y-%m}"
    name = f"cur2/data/BILLING_PERIOD={period}/part-000.snappy.parquet"
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    connection.execute(f"copy ({lines}) to '{file}' (format parquet, compression snappy)")
    manifest = folder / f"cur2/metadata/BILLING_PERIOD={period}/cur2-Manifest.json"
    manifest.parent.mkdir(parents=True, exist_ok=True)
    manifest.write_text(json.dumps({"executionId": delivery, "dataFiles": [name]}))


def _legacy(connection, folder, lines, start, end, delivery):
    period = folder / f"cur/{start:%Y%m%d}-{end:%Y%m%d}"
    name = f"cur/{start:%Y%m%d}-{end:%Y%m%d}/{delivery}/cur-1.csv.gz"
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    headers = {
        "bill": "bill", "line_item": "lineItem", "product": "product", "pricing": "pricing",
    }
    chosen = []
    for (column, *_) in connection.execute(f"describe ({lines})").fetchall():
        if column == "resource_tags":
            chosen += [f"resource_tags['user_{tag}'] as \"resourceTags/user:{tag}\"" for tag in ("team", "env")]
            continue
        group = next(group for group in headers if column.startswith(group + "_"))
        words = column[len(group) + 1:].split("_")
        camel = "".join(word.capitalize() for word in words)
        camel = camel if group in ("bill", "line_item") else camel[0].lower() + camel[1:]
        value = f"strftime({column}, '%Y-%m-%dT%H:%M:%SZ')" if column.endswith("_date") else column
        chosen.append(f'{value} as "{headers[group]}/{camel}"')
    columns = ", ".join(chosen)
    connection.execute(f"copy (select {columns} from ({lines})) to '{folder / name}' (format csv, header, compression gzip)")
    manifest = {
        "assemblyId": delivery, "account": "100000000000", "compression": "GZIP", "contentType": "text/csv",
        "charset": "UTF-8", "reportName": "cur", "bucket": "", "reportKeys": [name],
        "billingPeriod": {"start": f"{start:%Y%m%d}T000000.000Z", "end": f"{end:%Y%m%d}T000000.000Z"},
    }
    (period / "cur-Manifest.json").write_text(json.dumps(manifest))


def focus(folder, account, first, count, rows):
    """A FOCUS bill of one account: a bare CSV a month."""
    folder.mkdir(parents=True, exist_ok=True)
    header = ["BillingAccountId", "SubAccountId", "BillingCurrency", "BillingPeriodStart", "ChargeCategory", "ChargePeriodStart",
              "ChargePeriodEnd", "ConsumedQuantity", "ConsumedUnit", "BilledCost", "EffectiveCost", "ProviderName",
              "ServiceName", "RegionId"]
    for start, end in months(first, count):
        with open(Path(folder) / f"{start:%Y-%m}.csv", "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(header)
            for row in range(rows):
                day = start + datetime.timedelta(days=row % (end - start).days)
                times = [f"{day}T{hour:02}:00:00Z" for hour in (row % 23, row % 23 + 1)]
                cost = f"0.{row % 1000:03}"
                writer.writerow([account, f"project-{row % 5}", "USD", f"{start}T00:00:00Z", "Usage", *times, 1 + row % 24,
                                 "Hours", cost, cost, "Google Cloud", "Compute Engine", "us-central1"])
