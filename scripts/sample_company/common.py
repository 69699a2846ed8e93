"""Calendar, invented variation, exact numbers and files that are the same on every run."""

import csv
import hashlib
import io
import json
import struct
import zlib
from calendar import monthrange
from datetime import date, timedelta
from decimal import Decimal, getcontext
from pathlib import Path

getcontext().prec = 60

YEAR = 2025
MONTHS = range(1, 13)

# A shop sells most before Christmas and least in August.
SEASON = [Decimal(text) for text in
          ("0.94", "0.92", "0.97", "1.00", "1.01", "0.98", "0.93", "0.90", "1.02", "1.06", "1.24", "1.31")]


def days(month: int) -> list[date]:
    return [date(YEAR, month, day) for day in range(1, monthrange(YEAR, month)[1] + 1)]


def hours_of(month: int) -> int:
    return 24 * monthrange(YEAR, month)[1]


def month_start(month: int) -> date:
    return date(YEAR + (month - 1) // 12, (month - 1) % 12 + 1, 1)


def next_day(day: date) -> date:
    return day + timedelta(days=1)


def variation(*key: object) -> Decimal:
    """A number in [-1, 1) that depends on the key alone, nine digits long."""
    digest = hashlib.sha256("/".join(map(str, key)).encode()).digest()
    return Decimal(int.from_bytes(digest[:8], "big") % 2_000_000_000 - 1_000_000_000).scaleb(-9)


def demand(day: date, *key: object) -> Decimal:
    """How busy the shop is: two percent growth a month, the season, quieter weekends, and the day's own variation."""
    growth = 1 + Decimal("0.02") * (day.month - 1)
    weekday = Decimal("0.82") if day.weekday() >= 5 else Decimal(1)
    return growth * SEASON[day.month - 1] * weekday * (1 + Decimal("0.06") * variation(day, *key))


def share_of_month(amount: Decimal, month: int, places: int = 10) -> Decimal:
    """A day's part of something that is sold per month."""
    return rounded(amount / monthrange(YEAR, month)[1], places)


def rounded(value: Decimal, places: int) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-places))


def plain(value: Decimal, least_places: int = 0) -> str:
    """All digits, no exponent, trailing zeros only up to `least_places`."""
    text = format(value, "f")
    whole, _, fraction = text.partition(".")
    fraction = fraction.rstrip("0").ljust(least_places, "0")
    if not fraction:
        return "0" if whole == "-0" else whole
    return f"{whole}.{fraction}"


def identifier(*key: object, length: int = 12) -> str:
    return hashlib.sha256("/".join(map(str, key)).encode()).hexdigest()[:length]


def compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def csv_bytes(columns: list[str], rows: list[dict[str, str]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", extrasaction="raise", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def put(path: Path, content: bytes) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return len(content)


def put_gzip(path: Path, content: bytes) -> int:
    # Header by hand: Python's own holds a time, a name or a system byte, which differ between runs and versions.
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = deflate.compress(content) + deflate.flush()
    header = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"
    return put(path, header + body + struct.pack("<II", zlib.crc32(content), len(content) & 0xFFFFFFFF))


def put_json(path: Path, value: object) -> int:
    return put(path, (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode())


def summary(source: str, currency: str, rows: int, total: Decimal) -> str:
    return f"{source:<12}{rows:>7} rows  {currency} {plain(total)}"
