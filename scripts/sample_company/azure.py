"""Azure: a FOCUS 1.2 export of Cost Management, one folder per month and run, with Microsoft's x_ columns."""

from datetime import date
from decimal import Decimal
from pathlib import Path

from .common import (MONTHS, YEAR, compact, csv_bytes, days, demand, hours_of, identifier, month_start, next_day, plain,
                     put_gzip, put_json, rounded, share_of_month, summary, variation)
from .focus import COLUMNS, Account, Line, Row, billed, charge, stamp, used

BILLING_ID = "/providers/Microsoft.Billing/billingAccounts/9900001"
ACCOUNT = Account("Microsoft", BILLING_ID, "Demo Company", "Billing Account", "Subscription", "Microsoft", "EUR")
PRODUCTION = "/subscriptions/00000000-de40-4000-8000-000000000001"
ANALYTICS = "/subscriptions/00000000-de40-4000-8000-000000000002"
NAMES = {PRODUCTION: "demo-production", ANALYTICS: "demo-analytics"}
REGIONS = {"westeurope": "West Europe", "eastus": "East US"}
EXTRA_COLUMNS = ["x_ResourceGroupName", "x_SkuMeterCategory", "x_SkuMeterId", "x_SkuMeterSubcategory", "x_SkuRegion",
                 "x_SkuTerm", "x_PricingUnitDescription"]
BACKOFFICE = {"team": "backoffice", "env": "prod"}
DATA = {"team": "data", "env": "prod"}
TEST = {"team": "data", "env": "dev"}
TAX_RATE = Decimal("0.19")

RESERVATION_ID = "/providers/Microsoft.Capacity/reservationOrders/demo-order/reservations/demo-reservation"
RESERVATION_FEE = Decimal("137.82")         # a month, for one Standard_E4s_v5 in West Europe
RESERVED_LIST_PRICE = Decimal("0.2930")


def resource(sub_account: str, group: str, kind: str, name: str) -> str:
    return f"{sub_account}/resourcegroups/{group}/providers/{kind}/{name}"


def meter(sub_account: str, region: str, service: str, category: str, subcategory: str, name: str, unit: str,
          price: str, amount, tags: dict[str, str], group: str, kind: str, resource_name: str, meter_category: str,
          details: dict[str, object] | None = None) -> Line:
    return Line(sub_account, region, service, category, subcategory, name, unit, price, amount, tags,
                resource(sub_account, group, kind, resource_name), kind.rsplit("/", 1)[-1], details or {}, {
                    "x_ResourceGroupName": group, "x_SkuMeterCategory": meter_category,
                    "x_SkuMeterId": identifier("azure", name, region, length=12), "x_SkuRegion": region,
                    "x_PricingUnitDescription": f"1 {unit}", "SkuId": identifier("azure sku", name, length=10).upper(),
                    "SkuPriceId": identifier("azure price", name, region, length=12).upper()})


def machine(sub_account: str, region: str, size: str, cores: int, price: str, amount, tags: dict[str, str],
            name: str) -> Line:
    meter_name = size.removeprefix("Standard_").replace("_", " ")
    return meter(sub_account, region, "Virtual Machines", "Compute", "Virtual Machines", meter_name, "Hours", price,
                 amount, tags, "demo-compute", "microsoft.compute/virtualmachines", name, "Virtual Machines",
                 {"InstanceType": size, "CoreCount": cores, "OperatingSystem": "Linux"})


def disk(sub_account: str, region: str, name: str, price: str, tags: dict[str, str], resource_name: str) -> Line:
    return meter(sub_account, region, "Azure Disk Storage", "Storage", "Block Storage", name, "Units/Month", price,
                 lambda day: share_of_month(Decimal(1), day.month, 12), tags, "demo-compute", "microsoft.compute/disks",
                 resource_name, "Storage")


def blobs(sub_account: str, region: str, name: str, price: str, size: str, growth: str, tags: dict[str, str],
          resource_name: str) -> Line:
    def amount(day: date) -> Decimal:
        return share_of_month(Decimal(size) * (1 + Decimal(growth) * (day.month - 1)), day.month, 12)
    return meter(sub_account, region, "Storage Accounts", "Storage", "Object Storage", name, "GB/Month", price, amount,
                 tags, "demo-storage", "microsoft.storage/storageaccounts", resource_name, "Storage")


def bandwidth(region: str, name: str, price: str, per_day: str, tags: dict[str, str], resource_name: str) -> Line:
    return meter(PRODUCTION, region, "Bandwidth", "Networking", "Network Connectivity", name, "GB", price,
                 lambda day: rounded(Decimal(per_day) * demand(day, name, region), 12), tags, "demo-compute",
                 "microsoft.compute/virtualmachines", resource_name, "Bandwidth")


def office_hours(count: int, key: str):
    def amount(day: date) -> Decimal:
        hours = Decimal(10) if day.weekday() < 5 else Decimal(2)
        return rounded(hours * count * (1 + Decimal("0.1") * variation(key, day)), 6)
    return amount


def always(count: int):
    return lambda day: Decimal(24 * count)


LINES = [
    machine(PRODUCTION, "westeurope", "Standard_D4s_v5", 4, "0.2000", always(2), BACKOFFICE, "demo-erp"),
    machine(PRODUCTION, "eastus", "Standard_D4s_v5", 4, "0.1766", always(1), BACKOFFICE, "demo-crm"),
    machine(ANALYTICS, "westeurope", "Standard_B2ms", 2, "0.0865", office_hours(3, "test"), TEST, "demo-test"),
    disk(PRODUCTION, "westeurope", "P10 LRS Disk", "18.16", BACKOFFICE, "demo-erp-os"),
    disk(PRODUCTION, "eastus", "P20 LRS Disk", "67.52", BACKOFFICE, "demo-crm-data"),
    disk(ANALYTICS, "westeurope", "E10 LRS Disk", "8.88", {}, "demo-old-disk"),
    blobs(PRODUCTION, "westeurope", "Hot LRS Data Stored", "0.0172", "2300", "0.025", BACKOFFICE, "demodocuments"),
    blobs(ANALYTICS, "westeurope", "Cool GRS Data Stored", "0.0203", "6400", "0.03", DATA, "demobackups"),
    meter(PRODUCTION, "westeurope", "Azure SQL Database", "Databases", "Relational Databases", "vCore", "Hours",
          "0.1344", always(2), BACKOFFICE, "demo-data", "microsoft.sql/servers", "demo-sql", "SQL Database"),
    bandwidth("westeurope", "Standard Data Transfer Out", "0.0802", "17", BACKOFFICE, "demo-erp"),
    bandwidth("westeurope", "Intra Continent Data Transfer Out", "0.0184", "6", BACKOFFICE, "demo-erp"),
    bandwidth("eastus", "Standard Data Transfer Out", "0.0802", "9", BACKOFFICE, "demo-crm"),
]


def reservation(day: date) -> list[Row]:
    """One reserved machine: its hours, and on days when it was switched off for a while, the hours that were wasted."""
    hourly = rounded(RESERVATION_FEE / hours_of(day.month), 12)
    wasted = Decimal(9 if day.month == 8 else 3) if day.weekday() == 6 else Decimal(0)
    line = machine(ANALYTICS, "westeurope", "Standard_E4s_v5", 4, str(RESERVED_LIST_PRICE),
                   lambda _: 24 - wasted, DATA, "demo-warehouse")
    commitment = {
        "CommitmentDiscountCategory": "Usage", "CommitmentDiscountId": RESERVATION_ID,
        "CommitmentDiscountName": "demo-reservation", "CommitmentDiscountType": "Reservation",
        "CommitmentDiscountUnit": "Hours", "PricingCategory": "Committed", "x_SkuTerm": "12"}
    row = used(ACCOUNT, line, day, NAMES, REGIONS)
    effective = plain((24 - wasted) * hourly)
    row.update({**commitment, "BilledCost": "0", "ContractedCost": effective, "EffectiveCost": effective,
                "PricingCurrencyEffectiveCost": effective, "CommitmentDiscountStatus": "Used",
                "CommitmentDiscountQuantity": plain(24 - wasted)})
    if not wasted:
        return [row]
    unused = charge(ACCOUNT, day.month, "Usage", day, next_day(day), Decimal(0), wasted * hourly,
                    "Unused reservation - E4s v5", **commitment)
    unused.update({"CommitmentDiscountStatus": "Unused", "CommitmentDiscountQuantity": plain(wasted), "ListCost": "0",
                   "ContractedCost": "0", "RegionId": "westeurope", "RegionName": "West Europe",
                   "ResourceId": RESERVATION_ID, "ServiceCategory": "Compute", "ServiceName": "Virtual Machines",
                   "ServiceSubcategory": "Virtual Machines", "SkuMeter": "E4s v5", "SubAccountId": ANALYTICS,
                   "SubAccountName": NAMES[ANALYTICS],
                   "SkuPriceDetails": compact({"InstanceType": "Standard_E4s_v5", "CoreCount": 4})})
    return [row, unused]


def month_rows(month: int) -> list[Row]:
    rows: list[Row] = []
    for day in days(month):
        rows.extend(used(ACCOUNT, line, day, NAMES, REGIONS) for line in LINES)
        rows.extend(reservation(day))
    start, end = month_start(month), month_start(month + 1)
    rows.append(charge(
        ACCOUNT, month, "Purchase", start, end, RESERVATION_FEE, Decimal(0), "Reserved VM Instance, Standard_E4s_v5",
        CommitmentDiscountCategory="Usage", CommitmentDiscountId=RESERVATION_ID, PricingCategory="Standard",
        CommitmentDiscountName="demo-reservation", CommitmentDiscountType="Reservation", PricingQuantity="1",
        PricingUnit="Units", ServiceCategory="Compute", ServiceName="Virtual Machines", SkuMeter="E4s v5",
        SubAccountId=ANALYTICS, SubAccountName=NAMES[ANALYTICS], RegionId="westeurope", RegionName="West Europe",
        x_SkuTerm="12"))
    if month <= 6:
        rows.append(charge(ACCOUNT, month, "Credit", start, end, Decimal("-75.5"), Decimal("-75.5"),
                           "Azure start-up credit", ServiceCategory="Other", ServiceName="Azure Credits",
                           SubAccountId=PRODUCTION, SubAccountName=NAMES[PRODUCTION]))
    tax = rounded(billed(rows) * TAX_RATE, 2)
    rows.append(charge(ACCOUNT, month, "Tax", start, end, tax, tax, "VAT 19 %", ServiceCategory="Other",
                       ServiceName="Tax"))
    return rows


def run_id(month: int) -> str:
    digits = identifier("azure run", month, length=12)
    return f"00000000-de40-4000-9000-{digits}"


def write(folder: Path) -> list[str]:
    count, total = 0, Decimal(0)
    for month in MONTHS:
        rows = month_rows(month)
        count, total = count + len(rows), total + billed(rows)
        last = days(month)[-1]
        run = f"azure/focus/{month_start(month):%Y%m%d}-{last:%Y%m%d}/{run_id(month)}"
        size = put_gzip(folder / run / "part_0_0001.csv.gz", csv_bytes(COLUMNS + EXTRA_COLUMNS, rows))
        put_json(folder / run / "manifest.json", {
            "manifestVersion": "2024-04-01", "byteCount": size, "blobCount": 1, "dataRowCount": len(rows),
            "exportConfig": {
                "exportName": "focus", "resourceId": f"{BILLING_ID}/providers/Microsoft.CostManagement/exports/focus",
                "dataVersion": "1.2", "apiVersion": "2023-07-01-preview", "type": "FocusCost",
                "timeFrame": "TheLastMonth", "granularity": "Daily"},
            "deliveryConfig": {
                "partitionData": True, "dataOverwriteBehavior": "OverwritePreviousReport", "fileFormat": "Csv",
                "compressionMode": "gzip", "rootFolderPath": "azure"},
            "runInfo": {
                "executionType": "Scheduled", "submittedTime": f"{month_start(month + 1)}T04:00:00Z",
                "runId": run_id(month), "startDate": stamp(month_start(month)), "endDate": stamp(last)},
            "blobs": [{"blobName": f"{run}/part_0_0001.csv.gz", "byteCount": size, "dataRowCount": len(rows)}],
        })
    return [summary("azure", "EUR", count, total)]
