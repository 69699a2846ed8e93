"""What Azure's and Google's FOCUS 1.2 files share: the columns and a row of them."""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Callable

from .common import YEAR, compact, month_start, next_day, plain

COLUMNS = [
    "AvailabilityZone", "BilledCost", "BillingAccountId", "BillingAccountName", "BillingAccountType", "BillingCurrency",
    "BillingPeriodEnd", "BillingPeriodStart", "CapacityReservationId", "CapacityReservationStatus", "ChargeCategory",
    "ChargeClass", "ChargeDescription", "ChargeFrequency", "ChargePeriodEnd", "ChargePeriodStart",
    "CommitmentDiscountCategory", "CommitmentDiscountId", "CommitmentDiscountName", "CommitmentDiscountQuantity",
    "CommitmentDiscountStatus", "CommitmentDiscountType", "CommitmentDiscountUnit", "ConsumedQuantity", "ConsumedUnit",
    "ContractedCost", "ContractedUnitPrice", "EffectiveCost", "InvoiceId", "InvoiceIssuerName", "ListCost",
    "ListUnitPrice", "PricingCategory", "PricingCurrency", "PricingCurrencyContractedUnitPrice",
    "PricingCurrencyEffectiveCost", "PricingCurrencyListUnitPrice", "PricingQuantity", "PricingUnit", "ProviderName",
    "PublisherName", "RegionId", "RegionName", "ResourceId", "ResourceName", "ResourceType", "ServiceCategory",
    "ServiceName", "ServiceSubcategory", "SkuId", "SkuMeter", "SkuPriceDetails", "SkuPriceId", "SubAccountId",
    "SubAccountName", "SubAccountType", "Tags",
]
Row = dict[str, str]


@dataclass(frozen=True)
class Account:
    """Who sends the bill, to whom, in which currency."""
    provider: str
    billing_id: str
    billing_name: str
    billing_type: str
    sub_type: str
    issuer: str
    currency: str


@dataclass(frozen=True)
class Line:
    """A meter that runs every day."""
    sub_account: str
    region: str
    service: str
    category: str
    subcategory: str
    meter: str
    unit: str
    price: str
    amount: Callable[[date], Decimal]
    tags: dict[str, str]
    resource: str
    resource_type: str
    details: dict[str, object] = field(default_factory=dict)
    extra: dict[str, str] = field(default_factory=dict)


def stamp(day: date) -> str:
    return f"{day.isoformat()}T00:00:00Z"


def charge(account: Account, month: int, category: str, start: date, end: date, billed: Decimal, effective: Decimal,
           description: str, **more: str) -> Row:
    """The columns that every row of a bill has."""
    return {
        "BilledCost": plain(billed), "EffectiveCost": plain(effective), "ListCost": plain(billed),
        "ContractedCost": plain(billed), "BillingAccountId": account.billing_id,
        "BillingAccountName": account.billing_name, "BillingAccountType": account.billing_type,
        "BillingCurrency": account.currency, "PricingCurrency": account.currency,
        "PricingCurrencyEffectiveCost": plain(effective),
        "BillingPeriodStart": stamp(month_start(month)), "BillingPeriodEnd": stamp(month_start(month + 1)),
        "ChargePeriodStart": stamp(start), "ChargePeriodEnd": stamp(end), "ChargeCategory": category,
        "ChargeFrequency": "Usage-Based" if category == "Usage" else "Recurring",
        "ChargeDescription": description, "InvoiceId": f"DEMO-{YEAR}-{month:02d}",
        "InvoiceIssuerName": account.issuer, "ProviderName": account.provider, "PublisherName": account.issuer,
        "SubAccountType": account.sub_type, "Tags": "{}", **more,
    }


def used(account: Account, line: Line, day: date, names: dict[str, str], regions: dict[str, str]) -> Row:
    """A day of one meter at its list price."""
    amount, price = line.amount(day), Decimal(line.price)
    cost = amount * price
    row = charge(account, day.month, "Usage", day, next_day(day), cost, cost, f"{line.service} - {line.meter}")
    row.update({
        "ConsumedQuantity": plain(amount), "ConsumedUnit": line.unit, "PricingQuantity": plain(amount),
        "PricingUnit": line.unit, "PricingCategory": "Standard", "ListUnitPrice": line.price,
        "ContractedUnitPrice": line.price, "PricingCurrencyListUnitPrice": line.price,
        "PricingCurrencyContractedUnitPrice": line.price, "RegionId": line.region,
        "RegionName": regions.get(line.region, ""), "ResourceId": line.resource,
        "ResourceName": line.resource.rsplit("/", 1)[-1], "ResourceType": line.resource_type,
        "ServiceCategory": line.category, "ServiceSubcategory": line.subcategory, "ServiceName": line.service,
        "SkuMeter": line.meter, "SubAccountId": line.sub_account, "SubAccountName": names[line.sub_account],
        "SkuPriceDetails": compact(line.details) if line.details else "", "Tags": compact(line.tags), **line.extra,
    })
    return row


def billed(rows: list[Row]) -> Decimal:
    return sum((Decimal(row["BilledCost"]) for row in rows), Decimal(0))
