"""What the offices burn, buy and fly: the activity file and the contract that makes Berlin's electricity green."""

from decimal import Decimal
from pathlib import Path

from .common import MONTHS, YEAR, csv_bytes, month_start, put, rounded, variation

ACTIVITY_COLUMNS = [
    "site", "entity", "activity", "scope", "category", "quantity", "unit", "period_start", "period_end", "country",
    "region", "method_hint", "supplier_factor_kgco2e_per_unit", "notes"]
INSTRUMENT_COLUMNS = [
    "kind", "market", "energy_kwh", "factor_kgco2e_per_kwh", "vintage", "valid_from", "valid_to", "site", "evidence"]
Row = dict[str, str]

BERLIN = {"site": "Berlin", "entity": "Demo GmbH", "country": "DE"}
AUSTIN = {"site": "Austin", "entity": "Demo Inc.", "country": "US"}
# Heating follows the winter in Berlin, cooling the summer in Austin: share of a usual month, January first.
HEATING = "2.6 2.2 1.7 0.9 0.3 0.1 0.05 0.05 0.2 0.8 1.6 2.3".split()
COOLING = "0.8 0.8 0.85 0.95 1.1 1.25 1.4 1.4 1.2 1.0 0.85 0.8".split()


def record(site: Row, month: int, activity: str, scope: str, quantity: Decimal, unit: str, months: int = 1,
           **more: str) -> Row:
    return {**site, "activity": activity, "scope": scope, "quantity": str(quantity), "unit": unit,
            "period_start": month_start(month).isoformat(),
            "period_end": month_start(month + months).isoformat(), **more}


def measured(usual: str, shape: str, *key: object, places: int = 1) -> Decimal:
    return rounded(Decimal(usual) * Decimal(shape) * (1 + Decimal("0.05") * variation(*key)), places)


def activity_rows() -> list[Row]:
    rows: list[Row] = []
    for month in MONTHS:
        rows += [
            record(BERLIN, month, "electricity", "2", measured("17400", "1", "berlin power", month), "kWh",
                   notes="meter 1EMH00-DEMO"),
            record(BERLIN, month, "Natural gas", "1", measured("9800", HEATING[month - 1], "berlin gas", month),
                   "kWh (Gross CV)", category="Fuels", notes="heating"),
            record(AUSTIN, month, "electricity", "2",
                   measured("21.3", COOLING[month - 1], "austin power", month, places=4), "MWh",
                   region="ERCT", notes="utility invoice, Texas"),
            record(BERLIN, month, "International, to/from non-UK", "3",
                   measured("26500", "1", "flights", month, places=0), "passenger.km", category="Business travel- air",
                   method_hint="Economy class / With RF", notes="travel agency, flights booked in Berlin"),
        ]
        if month % 3 == 1:
            rows += [
                record(AUSTIN, month, "Distillate Fuel Oil No. 2", "1", measured("62", "1", "diesel", month), "gallon",
                       months=3, category="Stationary combustion", notes="emergency generator, tank readings"),
                record(AUSTIN, month, "Air Travel - Medium Haul (>= 300 miles, < 2300 miles)", "3",
                       measured("41000", "1", "domestic", month, places=0), "passenger-mile", months=3,
                       notes="expense reports"),
            ]
        if month == 7:
            rows.append(record(AUSTIN, month, "R410A", "1", Decimal("3.2"), "kg", category="Refrigerant & other",
                               method_hint="Total emissions including non-Kyoto products",
                               notes="refilled after a leak in the cooling unit"))
    return rows


def instrument_rows() -> list[Row]:
    """A contract for less than Berlin uses: the rest of its electricity has no claim and takes the grid's factor."""
    return [{"kind": "contract", "market": "DE", "energy_kwh": "180000", "factor_kgco2e_per_kwh": "0",
             "vintage": str(YEAR), "valid_from": f"{YEAR}-01-01", "valid_to": f"{YEAR + 1}-01-01", "site": "Berlin",
             "evidence": "supply contract DEMO-2025-17 with guarantees of origin cancelled by the supplier"}]


def write(folder: Path) -> list[str]:
    activities, instruments = activity_rows(), instrument_rows()
    put(folder / "activity" / f"activity-{YEAR}.csv", csv_bytes(ACTIVITY_COLUMNS, activities))
    put(folder / "instruments" / f"instruments-{YEAR}.csv", csv_bytes(INSTRUMENT_COLUMNS, instruments))
    return [f"{'activity':<12}{len(activities):>7} rows", f"{'instruments':<12}{len(instruments):>7} rows"]
