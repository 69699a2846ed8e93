"""AWS: CUR 2.0 as Data Exports delivers it, one folder per billing period and a manifest beside it."""

from datetime import date
from decimal import Decimal
from pathlib import Path

from . import aws_fleet as fleet
from .aws_fleet import Line
from .common import (MONTHS, YEAR, compact, csv_bytes, days, hours_of, identifier, month_start, next_day, plain,
                     put_gzip, put_json, rounded, summary)
from .cur2_columns import COLUMNS

SAVINGS_PLAN_ARN = f"arn:aws:savingsplans::{fleet.PAYER}:savingsplan/demo-compute-plan"
SAVINGS_PLAN_RATE = Decimal("0.3312000000")
# A little more than two servers use, so that a part of the commitment is wasted.
SAVINGS_PLAN_COMMITMENT_PER_HOUR = Decimal("0.7000000000")
SAVINGS_PLAN_END = date(YEAR, 12, 15)
RESERVATION_ARN = f"arn:aws:ec2:{fleet.FRANKFURT}:{fleet.PRODUCTION}:reserved-instances/demo-reservation"
RESERVATION_RATE = Decimal("0.1449000000")
ENTERPRISE_DISCOUNT = Decimal("0.03")
TAX_RATE = Decimal("0.19")
PRODUCT_NAMES = {
    "AmazonEC2": "Amazon Elastic Compute Cloud", "AmazonS3": "Amazon Simple Storage Service",
    "AmazonRDS": "Amazon Relational Database Service", "AWSLambda": "AWS Lambda",
    "AmazonECS": "Amazon Elastic Container Service", "AmazonDynamoDB": "Amazon DynamoDB",
    "ComputeSavingsPlans": "Savings Plans for AWS Compute usage", "AWSDataTransfer": "AWS Data Transfer",
}
Row = dict[str, str]


def money(value: Decimal) -> str:
    return plain(value, 10)


def stamp(day: date) -> str:
    return f"{day.isoformat()}T00:00:00.000Z"


def bill(month: int, account: str, line_type: str, product_code: str, start: date, end: date, key: str) -> Row:
    """The columns that every line has."""
    return {
        "bill_bill_type": "Anniversary", "bill_billing_entity": "AWS",
        "bill_billing_period_start_date": stamp(month_start(month)),
        "bill_billing_period_end_date": stamp(month_start(month + 1)),
        "bill_invoice_id": f"DEMO{YEAR}{month:02d}", "bill_invoicing_entity": "Amazon Web Services EMEA SARL",
        "bill_payer_account_id": fleet.PAYER, "bill_payer_account_name": fleet.ACCOUNT_NAMES[fleet.PAYER],
        "cost_category": "{}", "discount": "{}", "product": "{}", "resource_tags": "{}",
        "identity_line_item_id": identifier(month, account, line_type, key, length=52),
        "identity_time_interval": f"{start.isoformat()}T00:00:00Z/{end.isoformat()}T00:00:00Z",
        "line_item_currency_code": "USD", "line_item_legal_entity": "Amazon Web Services EMEA SARL",
        "line_item_line_item_type": line_type, "line_item_product_code": product_code,
        "line_item_usage_account_id": account, "line_item_usage_account_name": fleet.ACCOUNT_NAMES[account],
        "line_item_usage_start_date": stamp(start), "line_item_usage_end_date": stamp(end),
    }


def priced(row: Row, amount: Decimal, price: Decimal, cost: Decimal, net: Decimal | None = None) -> Row:
    row.update({
        "line_item_usage_amount": money(amount),
        "line_item_unblended_rate": money(price), "line_item_unblended_cost": money(cost),
        "line_item_blended_rate": money(price), "line_item_blended_cost": money(cost),
        "line_item_net_unblended_cost": money(cost if net is None else net), "pricing_currency": "USD",
    })
    return row


def usage(line: Line, day: date, amount: Decimal, line_type: str) -> Row:
    """The physical side of a line: what ran where."""
    prefix = fleet.PREFIX[line.region] if line.prefixed else ""
    usage_type = prefix + line.usage_type
    row = bill(day.month, line.account, line_type, line.product_code, day, next_day(day),
               f"{line.resource}/{usage_type}/{line.operation}/{line.covered_by}")
    row.update({
        "line_item_usage_type": usage_type, "line_item_operation": line.operation,
        "line_item_resource_id": line.resource,
        "line_item_availability_zone": f"{line.region}a" if line.instance_type else "",
        "line_item_line_item_description": f"${line.price} {line.description}",
        "pricing_unit": line.unit, "pricing_term": "OnDemand",
        "pricing_public_on_demand_rate": line.price,
        "pricing_public_on_demand_cost": money(amount * Decimal(line.price)),
        "product": compact({"product_name": PRODUCT_NAMES[line.product_code], "region": line.region, **line.product}),
        "product_instance_type": line.instance_type, "product_product_family": line.family,
        "product_region_code": line.region, "product_location": fleet.REGION_NAMES[line.region],
        "product_location_type": "AWS Region", "product_operation": line.operation,
        "product_servicecode": line.service_code or line.product_code, "product_usagetype": usage_type,
        "product_sku": identifier(usage_type, line.operation, length=16).upper(),
        "resource_tags": compact(line.tags),
        "cost_category": compact({"product_line": "web shop"} if line.tags.get("user_team") == "shop" else {}),
    })
    if line.to_region:
        for side, region in (("from", line.from_region), ("to", line.to_region)):
            row[f"product_{side}_location"] = fleet.REGION_NAMES.get(region, region)
            row[f"product_{side}_region_code"] = region if region in fleet.REGION_NAMES else ""
    return row


def on_demand(line: Line, day: date, amount: Decimal) -> list[Row]:
    price = Decimal(line.price)
    cost = amount * price
    row = usage(line, day, amount, "Usage")
    row["pricing_purchase_option"] = ""
    discount = enterprise_discount(line, cost)
    if discount:
        row["discount"] = compact({"edp_discount": float(discount)})
        row["discount_total_discount"] = money(discount)
    return [priced(row, amount, price, cost, cost + discount)]


def enterprise_discount(line: Line, cost: Decimal) -> Decimal:
    return -cost * ENTERPRISE_DISCOUNT if line.product_code == "AmazonEC2" and line.instance_type else Decimal(0)


def savings_plan(line: Line, day: date, amount: Decimal) -> list[Row]:
    """A covered line at the public price, and its mirror image that takes the money back."""
    price = Decimal(line.price)
    cost = amount * price
    covered = usage(line, day, amount, "SavingsPlanCoveredUsage")
    covered.update({
        "savings_plan_savings_plan_effective_cost": money(amount * SAVINGS_PLAN_RATE),
        "savings_plan_savings_plan_rate": money(SAVINGS_PLAN_RATE), **savings_plan_terms()})
    negation = usage(line, day, amount, "SavingsPlanNegation")
    negation.update({"pricing_public_on_demand_cost": money(Decimal(0)),
                     "savings_plan_savings_plan_a_r_n": SAVINGS_PLAN_ARN,
                     "line_item_line_item_description": "SavingsPlanNegation used by AccountId : " + line.account})
    return [priced(covered, amount, price, cost), priced(negation, amount, price, -cost)]


def savings_plan_terms() -> Row:
    return {"savings_plan_savings_plan_a_r_n": SAVINGS_PLAN_ARN, "savings_plan_offering_type": "ComputeSavingsPlans",
            "savings_plan_payment_option": "No Upfront", "savings_plan_purchase_term": "1yr",
            "savings_plan_start_time": f"{YEAR - 1}-12-15T00:00:00.000Z",
            "savings_plan_end_time": stamp(SAVINGS_PLAN_END)}


def savings_plan_fee(day: date, used: Decimal) -> Row:
    commitment = SAVINGS_PLAN_COMMITMENT_PER_HOUR * 24
    row = bill(day.month, fleet.PAYER, "SavingsPlanRecurringFee", "ComputeSavingsPlans", day, next_day(day), "plan")
    row.update({
        "line_item_usage_type": "ComputeSP:1yrNoUpfront", "line_item_resource_id": SAVINGS_PLAN_ARN,
        "line_item_line_item_description": "1 year No Upfront Compute Savings Plan",
        "product": compact({"product_name": PRODUCT_NAMES["ComputeSavingsPlans"]}),
        "product_servicecode": "ComputeSavingsPlans", "pricing_unit": "Hrs",
        "savings_plan_total_commitment_to_date": money(commitment), "savings_plan_used_commitment": money(used),
        "savings_plan_recurring_commitment_for_billing_period":
            money(SAVINGS_PLAN_COMMITMENT_PER_HOUR * hours_of(day.month)),
        "savings_plan_amortized_upfront_commitment_for_billing_period": money(Decimal(0)), **savings_plan_terms()})
    return priced(row, Decimal(24), SAVINGS_PLAN_COMMITMENT_PER_HOUR, commitment)


def reserved(line: Line, day: date, amount: Decimal) -> list[Row]:
    """Usage under a reservation costs nothing by itself: the monthly fee pays for it."""
    row = usage(line, day, amount, "DiscountedUsage")
    cost = amount * RESERVATION_RATE
    row.update({"pricing_term": "Reserved", "pricing_purchase_option": "No Upfront",
                "pricing_offering_class": "standard", "pricing_lease_contract_length": "1yr",
                "reservation_reservation_a_r_n": RESERVATION_ARN,
                "reservation_effective_cost": money(cost), "reservation_recurring_fee_for_usage": money(cost)})
    return [priced(row, amount, Decimal(0), Decimal(0))]


def reservation_fee(month: int) -> Row:
    hours = Decimal(hours_of(month))
    row = bill(month, fleet.PRODUCTION, "RIFee", "AmazonEC2", month_start(month), month_start(month + 1), "reservation")
    row.update({
        "line_item_usage_type": "EUC1-HeavyUsage:m5.xlarge", "line_item_operation": "RunInstances",
        "line_item_line_item_description": "USD 0.1449 hourly fee per Linux/UNIX, m5.xlarge instance",
        "product_region_code": fleet.FRANKFURT, "product_servicecode": "AmazonEC2",
        "product_instance_type": "m5.xlarge",
        "product": compact({"product_name": PRODUCT_NAMES["AmazonEC2"], "region": fleet.FRANKFURT}),
        "pricing_unit": "Hrs", "pricing_term": "Reserved", "reservation_reservation_a_r_n": RESERVATION_ARN,
        "reservation_number_of_reservations": "1", "reservation_unused_recurring_fee": money(Decimal(0)),
        "reservation_unused_amortized_upfront_fee_for_billing_period": money(Decimal(0)),
        "reservation_start_time": f"{YEAR - 1}-11-01T00:00:00.000Z",
        "reservation_end_time": stamp(fleet.RESERVATION_END)})
    return priced(row, hours, RESERVATION_RATE, hours * RESERVATION_RATE)


def monthly(month: int, account: str, line_type: str, product_code: str, cost: Decimal, description: str,
            **more: str) -> Row:
    """Money without anything that ran: discounts, credits, refunds, tax. No region, no usage type."""
    row = bill(month, account, line_type, product_code, month_start(month), month_start(month + 1), description)
    row.update({"line_item_line_item_description": description, **more})
    return priced(row, Decimal(1), cost, cost, Decimal(0) if line_type == "EdpDiscount" else cost)


def extras(month: int, discount: Decimal) -> list[Row]:
    rows = [monthly(month, fleet.PAYER, "EdpDiscount", "AmazonEC2", discount, "Enterprise Discount Program")]
    marketplace = monthly(month, fleet.PRODUCTION, "Usage", "demomarketplaceproduct", Decimal("249.0000000000"),
                          "Demo Observability, monthly subscription", bill_billing_entity="AWS Marketplace",
                          line_item_usage_type="SaaS:MonthlySubscription", pricing_unit="Units",
                          line_item_legal_entity="Demo Observability Ltd", product_region_code="global",
                          product=compact({"product_name": "Demo Observability"}))
    rows.append(marketplace)
    if month <= 3:
        rows.append(monthly(month, fleet.PAYER, "Credit", "AmazonEC2", Decimal("-120.0000000000"),
                            "AWS Activate promotional credit"))
    if month == 5:
        rows.append(monthly(month, fleet.PRODUCTION, "Refund", "AmazonRDS", Decimal("-31.4159265358"),
                            "Refund for the outage of 28 April"))
    if month in (4, 9):
        # A fee that reads like storage: nothing was stored for it.
        fee = monthly(month, fleet.PRODUCTION, "Usage", "AmazonS3", Decimal("2.8714500000"),
                      "Fee for objects deleted before 30 days", line_item_usage_type="EUC1-EarlyDelete-SIA",
                      line_item_operation="StandardIAStorage", pricing_unit="GB-Mo", product_region_code=fleet.FRANKFURT,
                      product_servicecode="AmazonS3", resource_tags=compact(fleet.DATA),
                      product=compact({"product_name": PRODUCT_NAMES["AmazonS3"]}))
        fee["line_item_usage_amount"] = "212.7000000000"
        fee["line_item_unblended_rate"] = "0.0135000000"
        fee["line_item_blended_rate"] = "0.0135000000"
        rows.append(fee)
    return rows


def cost_of(rows: list[Row]) -> Decimal:
    return sum((Decimal(row["line_item_unblended_cost"]) for row in rows), Decimal(0))


def month_rows(month: int) -> list[Row]:
    rows: list[Row] = []
    discount = Decimal(0)
    kinds = {"": on_demand, "savings plan": savings_plan, "reservation": reserved}
    for day in days(month):
        used = Decimal(0)
        for line in fleet.LINES:
            amount = line.amount(day)
            if not line.since <= day < line.until or amount == 0:
                continue
            covered_by = line.covered_by
            if covered_by == "savings plan":
                if day >= SAVINGS_PLAN_END:
                    covered_by = ""
                else:
                    used += amount * SAVINGS_PLAN_RATE
            rows.extend(kinds[covered_by](line, day, amount))
            if not covered_by:
                discount += enterprise_discount(line, amount * Decimal(line.price))
        if used:
            rows.append(savings_plan_fee(day, used))
    if month_start(month) < fleet.RESERVATION_END:
        rows.append(reservation_fee(month))
    rows.extend(extras(month, discount))
    for account in (fleet.PRODUCTION, fleet.DEVELOPMENT):
        taxable = cost_of([row for row in rows if row["line_item_usage_account_id"] == account])
        rows.append(monthly(month, account, "Tax", "AmazonEC2", rounded(taxable * TAX_RATE, 2),
                            "Tax for product code AmazonEC2", line_item_tax_type="VAT"))
    return rows


def write(folder: Path) -> list[str]:
    export = folder / "aws" / "cur2"
    count, total = 0, Decimal(0)
    for month in MONTHS:
        rows = month_rows(month)
        count, total = count + len(rows), total + cost_of(rows)
        partition = f"BILLING_PERIOD={YEAR}-{month:02d}"
        put_gzip(export / "data" / partition / "cur2-00001.csv.gz", csv_bytes(list(COLUMNS), rows))
        put_json(export / "metadata" / partition / "cur2-Manifest.json", {
            "executionId": f"demo-execution-{YEAR}-{month:02d}",
            "exportArn": f"arn:aws:bcm-data-exports:us-east-1:{fleet.PAYER}:export/cur2-demo",
            "reportName": "cur2", "charset": "UTF-8", "compression": "GZIP", "contentType": "text/csv",
            "billingPeriod": {"start": stamp(month_start(month)), "end": stamp(month_start(month + 1))},
            "dataFiles": [f"s3://demo-billing/exports/cur2/data/{partition}/cur2-00001.csv.gz"],
            "columns": [{"name": name, "type": kind} for name, kind in COLUMNS.items()],
            "finalized": True,
        })
    return [summary("aws", "USD", count, total)]
