"""Google Cloud: FOCUS 1.2 rows as bare CSV files, one per month, without folders or manifests."""

from datetime import date
from decimal import Decimal
from pathlib import Path

from .common import (MONTHS, YEAR, csv_bytes, days, demand, identifier, month_start, put_gzip, rounded, share_of_month,
                     summary)
from .focus import COLUMNS, Account, Line, Row, billed, charge, used

ACCOUNT = Account("Google Cloud", "01DE30-000000-00DE30", "Demo Company", "Billing Account", "Project", "Google Cloud",
                  "USD")
SEARCH_PROJECT = "demo-search-prod"
NOTEBOOK_PROJECT = "demo-notebooks-dev"
NAMES = {SEARCH_PROJECT: "Demo Search", NOTEBOOK_PROJECT: "Demo Notebooks"}
REGIONS = {"europe-west3": "Frankfurt", "us-central1": "Iowa"}
SEARCH = {"team": "search", "env": "prod"}
RESEARCH = {"team": "research", "env": "dev"}
SUSTAINED_USE = Decimal("-0.12")


def sku(project: str, region: str, service: str, category: str, subcategory: str, meter: str, unit: str, price: str,
        amount, tags: dict[str, str], name: str, kind: str, details: dict[str, object] | None = None) -> Line:
    return Line(project, region, service, category, subcategory, meter, unit, price, amount, tags,
                f"//{kind.split('/')[0]}/projects/{project}/{name}", kind, details or {},
                {"SkuId": identifier("gcp", meter, length=12).upper(),
                 "SkuPriceId": identifier("gcp price", meter, length=12).upper()})


def machine(project: str, region: str, instance_type: str, cores: int, gibibytes: int, core_price: str,
            memory_price: str, hours, tags: dict[str, str], name: str) -> list[Line]:
    """Google sells a machine as two SKUs, its cores and its memory: two rows for the same hours."""
    family = instance_type.split("-")[0].upper()
    city = REGIONS[region]
    return [
        sku(project, region, "Compute Engine", "Compute", "Virtual Machines", f"{family} Instance {part} running in {city}",
            unit, price, lambda day, size=size: hours(day) * size, tags, f"instances/{name}",
            "compute.googleapis.com/Instance", {"InstanceType": instance_type})
        for part, unit, price, size in (("Core", "hour", core_price, cores),
                                        ("Ram", "gibibyte hour", memory_price, gibibytes))]


def stored(size: str, growth: str):
    return lambda day: share_of_month(Decimal(size) * (1 + Decimal(growth) * (day.month - 1)), day.month, 9)


def traffic(per_day: str, key: str):
    return lambda day: rounded(Decimal(per_day) * demand(day, key), 9)


def scaling(count: str, key: str):
    return lambda day: rounded(Decimal(count) * 24 * demand(day, key), 6)


def workday(day: date) -> Decimal:
    return rounded(Decimal(9) * demand(day, "notebooks"), 6) if day.weekday() < 5 else Decimal(0)


LINES = [
    *machine(SEARCH_PROJECT, "europe-west3", "n2-standard-8", 8, 32, "0.040726", "0.005458", lambda _: Decimal(24),
             SEARCH, "demo-index"),
    *machine(SEARCH_PROJECT, "europe-west3", "n2-standard-4", 4, 16, "0.040726", "0.005458", scaling("1.2", "query"),
             SEARCH, "demo-query"),
    *machine(NOTEBOOK_PROJECT, "us-central1", "e2-standard-2", 2, 8, "0.021811", "0.002923", workday, RESEARCH,
             "demo-notebook"),
    sku(SEARCH_PROJECT, "europe-west3", "Compute Engine", "Storage", "Block Storage", "SSD backed PD Capacity in Frankfurt",
        "gibibyte month", "0.204", stored("600", "0.01"), SEARCH, "disks/demo-index", "compute.googleapis.com/Disk"),
    sku(SEARCH_PROJECT, "europe-west3", "Cloud Storage", "Storage", "Object Storage", "Standard Storage Frankfurt",
        "gibibyte month", "0.023", stored("3100", "0.03"), SEARCH, "buckets/demo-snapshots", "storage.googleapis.com/Bucket"),
    sku(NOTEBOOK_PROJECT, "us-central1", "Cloud Storage", "Storage", "Object Storage", "Nearline Storage Iowa",
        "gibibyte month", "0.010", stored("5200", "0.02"), {}, "buckets/demo-datasets", "storage.googleapis.com/Bucket"),
    sku(SEARCH_PROJECT, "europe-west3", "Compute Engine", "Networking", "Network Connectivity",
        "Network Internet Egress from Frankfurt to EMEA", "gibibyte", "0.085", traffic("14", "egress"), SEARCH,
        "instances/demo-query", "compute.googleapis.com/Instance"),
    sku(SEARCH_PROJECT, "europe-west3", "Compute Engine", "Networking", "Network Connectivity",
        "Network Inter Region Egress from Frankfurt to Americas", "gibibyte", "0.05", traffic("3.5", "copy"), SEARCH,
        "instances/demo-index", "compute.googleapis.com/Instance"),
    sku(NOTEBOOK_PROJECT, "us-central1", "BigQuery", "Analytics", "Data Warehouses", "Analysis (us-central1)",
        "tebibyte", "6.25", traffic("0.8", "queries"), RESEARCH, "datasets/demo", "bigquery.googleapis.com/Dataset"),
]


def month_rows(month: int) -> list[Row]:
    rows = [used(ACCOUNT, line, day, NAMES, REGIONS) for day in days(month) for line in LINES if line.amount(day)]
    start, end = month_start(month), month_start(month + 1)
    cores = billed([row for row in rows if "N2 Instance" in row["SkuMeter"]])
    for project, category, amount, description in (
            (SEARCH_PROJECT, "Credit", cores * SUSTAINED_USE, "Sustained use discount"),
            (NOTEBOOK_PROJECT, "Adjustment", Decimal("0.000003") * month, "Rounding error")):
        rows.append(charge(ACCOUNT, month, category, start, end, amount, amount, description, SubAccountId=project,
                           SubAccountName=NAMES[project], ServiceName="Compute Engine", ServiceCategory="Compute"))
    tax = rounded(billed(rows) * Decimal("0.19"), 2)
    rows.append(charge(ACCOUNT, month, "Tax", start, end, tax, tax, "VAT", ServiceName="Tax", ServiceCategory="Other"))
    return rows


def write(folder: Path) -> list[str]:
    count, total = 0, Decimal(0)
    for month in MONTHS:
        rows = month_rows(month)
        count, total = count + len(rows), total + billed(rows)
        put_gzip(folder / "gcp" / f"focus-{YEAR}-{month:02d}.csv.gz", csv_bytes(COLUMNS, rows))
    return [summary("gcp", "USD", count, total)]
