"""What the rows of the factor set must hold among each other: every key finds what it names, no factor of zero that is
not meant, no state or region without a figure, no neighbours and no sizes of one family far apart. Rows that are right
although they look wrong stand in SOURCES.toml as [[expected]], with the reason."""
import collections, fnmatch, re

from instance_sizes import host_faults, memory_faults

# Postal codes of the states, the District of Columbia and Puerto Rico (USPS, ISO 3166-2:US).
US_STATE_CODES = {
    "Alabama": "AL", "Alaska": "AK", "Arizona": "AZ", "Arkansas": "AR", "California": "CA", "Colorado": "CO",
    "Connecticut": "CT", "Delaware": "DE", "District of Columbia": "DC", "Florida": "FL", "Georgia": "GA",
    "Hawaii": "HI", "Idaho": "ID", "Illinois": "IL", "Indiana": "IN", "Iowa": "IA", "Kansas": "KS", "Kentucky": "KY",
    "Louisiana": "LA", "Maine": "ME", "Maryland": "MD", "Massachusetts": "MA", "Michigan": "MI", "Minnesota": "MN",
    "Mississippi": "MS", "Missouri": "MO", "Montana": "MT", "Nebraska": "NE", "Nevada": "NV", "New Hampshire": "NH",
    "New Jersey": "NJ", "New Mexico": "NM", "New York": "NY", "North Carolina": "NC", "North Dakota": "ND",
    "Ohio": "OH", "Oklahoma": "OK", "Oregon": "OR", "Pennsylvania": "PA", "Puerto Rico": "PR", "Rhode Island": "RI",
    "South Carolina": "SC", "South Dakota": "SD", "Tennessee": "TN", "Texas": "TX", "Utah": "UT", "Vermont": "VT",
    "Virginia": "VA", "Washington": "WA", "West Virginia": "WV", "Wisconsin": "WI", "Wyoming": "WY"}
PROVIDERS = {"AWS": "aws", "Microsoft": "azure", "Google Cloud": "gcp"}
LIFECYCLE = "average-production-lifecycle"
REPORTS = ("AR4", "AR5", "AR6")
# Neighbours may differ by this factor: more is a slipped decimal, another unit or another place, until it is explained.
APART = 3
# A year's figure, and the columns by which two rows are the same thing in different years or editions.
SERIES = {
    "activity_factors": ("kgco2e_per_unit", "year",
                         ["region", "scope", "category", "subcategory", "activity", "variant", "unit"]),
    "egrid_subregion": ("co2_lb_per_mwh", "edition", ["subregion"]),
    "grid_intensity": ("intensity_gco2e_per_kwh", "year", ["provider", "region", "basis"]),
    "grid_intensity_country": ("intensity_gco2e_per_kwh", "year", ["country_iso3", "basis"]),
    "gwp": ("gwp_kgco2e_per_kg", "assessment_report", ["species"]),
    "pue": ("pue_ratio", "year", ["provider", "region", "match_kind"]),
    "compute_power": ("max_watts_per_vcpu", "dataset", ["microarchitecture"]),
}
# Columns in which a zero is no figure but a gap.
FIGURES = {
    "activity_factors": ["kgco2e_per_unit"],
    "compute_power": ["min_watts_per_vcpu", "max_watts_per_vcpu"],
    "egrid_subregion": ["co2_lb_per_mwh", "co2e_ar5_kg_per_kwh"],
    "gpu_power": ["min_watts_per_gpu", "max_watts_per_gpu"],
    "grid_intensity": ["intensity_gco2e_per_kwh"],
    "grid_intensity_country": ["intensity_gco2e_per_kwh"],
    "gwp": ["gwp_kgco2e_per_kg"],
    "memory_coefficients": ["value"],
    "network_coefficients": ["kwh_per_gb"],
    "pue": ["pue_ratio"],
    "refrigerant_blends": ["mass_percent"],
    "serverless_coefficients": ["value"],
    "storage_coefficients": ["value"],
}


def gas_key(name):
    """One key for all spellings of a gas, as sql/estimate/gas_name.sql makes it."""
    name = name.lower().translate(str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789"))
    name = re.sub(r"(refrigerants?|freon|genetron|suva|forane|klea)[^a-z0-9]*([0-9])", r"r\2", name)
    name = re.sub(r"refrigerants?|\b(gas|blend|freon|genetron|suva|forane|klea)\b|[^a-z0-9]", "", name)
    name = re.sub(r"^(r|hfc|hcfc|cfc|pfc|hfo)+([0-9])", r"r\2", name)
    return re.sub(r"^([0-9]+[a-z])", r"r\1", name)


def gpu_key(name):
    """One key for all spellings of an accelerator, as sql/estimate/gpu_profile.sql makes it."""
    return re.sub(r"(nvidia|tesla|amd) +", "", name.lower()).strip()


def unmatched_keys(tables):
    """Keys that nothing can match, and names that stand for nothing."""
    def missing(table, column, known, what):
        for row in tables[table]:
            if row[column].lower() not in known:
                yield row["factor_id"], f"{column} {row[column]!r}: no {what}"

    names = {column: {row[column].lower() for row in tables[table]} for table, column in (
        ("compute_power", "microarchitecture"), ("egrid_subregion", "subregion"),
        ("network_coefficients", "transfer_class"))}
    processors = names["microarchitecture"] | {
        name.lower() for table in ("instance_families", "instance_types") for row in tables[table]
        for name in row["microarchitecture"].split("|") if name}
    yield from missing("us_state_egrid", "us_state", {name.lower() for name in US_STATE_CODES}, "such state")
    yield from missing("us_state_egrid", "egrid_subregion", names["subregion"], "row in egrid_subregion")
    yield from missing("microarchitecture_aliases", "microarchitecture", processors, "instance or power figure has it")
    yield from missing("transfer_classes", "transfer_class", names["transfer_class"], "row in network_coefficients")
    for row in tables["us_state_egrid"]:
        if US_STATE_CODES.get(row["us_state"], row["state_code"]) != row["state_code"]:
            yield row["factor_id"], f"state_code {row['state_code']!r} is another state's"
    regions = {(row["provider"], row["region"]) for row in tables["regions"]}
    for row in tables["region_aliases"]:
        place = (PROVIDERS.get(row["provider_name"]), row["region_id"])
        if place not in regions and row["region_id"] != "global":
            yield row["factor_id"], f"region_id {row['region_id']!r}: no row in regions"
    for table in ("grid_intensity", "pue"):
        for row in tables[table]:
            if row.get("match_kind", "exact") == "exact" and (row["provider"], row["region"]) not in regions:
                yield row["factor_id"], f"region {row['region']!r}: no row in regions"
    powered = {gpu_key(row["gpu_model"]) for row in tables["gpu_power"]}
    for row in tables["gpu_instances"]:
        if gpu_key(row["gpu_model"]) not in powered:
            yield row["factor_id"], f"gpu_model {row['gpu_model']!r}: no row in gpu_power"


def gases(tables):
    """Blends add up, and every part that counts has a warming potential in every report."""
    potentials = {(row["species"], row["assessment_report"]) for row in tables["gwp"]}
    listed = {row["activity"] for row in tables["activity_factors"] if row["category"].startswith("Refrigerant")}
    known = {gas_key(name) for name in listed | {species for species, _ in potentials}}
    blends = collections.defaultdict(list)
    for row in tables["refrigerant_blends"]:
        blends[row["blend"]].append(row)
        lacking = [report for report in REPORTS if (row["component"], report) not in potentials]
        if row["counts"] == "yes" and lacking:
            yield row["factor_id"], f"component {row['component']!r}: no row in gwp for {', '.join(lacking)}"
        if row["counts"] not in ("yes", "no"):
            yield row["factor_id"], f"counts {row['counts']!r} is neither yes nor no"
    for blend, parts in blends.items():
        total = sum(float(part["mass_percent"]) for part in parts)
        if abs(total - 100) > 1e-9:
            yield parts[0]["factor_id"], f"the parts of {blend} add up to {total:g} percent"
    for row in tables["gas_aliases"]:
        if gas_key(row["gas"]) not in known | {gas_key(blend) for blend in blends}:
            yield row["factor_id"], f"gas {row['gas']!r}: no row in gwp, refrigerant_blends or activity_factors"


def zeros(tables):
    for table, columns in FIGURES.items():
        for row in tables[table]:
            for column in columns:
                if row[column] and float(row[column]) == 0 and row.get("accounting_method") != "market":
                    yield row["factor_id"], f"{column} is 0: leave the cell or the row out, or say why it is meant"


def places_without_figures(tables):
    states = {row["us_state"] for row in tables["us_state_egrid"]}
    for state in US_STATE_CODES.keys() - states:
        yield "us_state_egrid", f"no row for {state}"
    of_region = {(row["provider"], row["region"]) for row in tables["grid_intensity"] if row["basis"] == LIFECYCLE}
    of_country = {row["country_iso3"] for row in tables["grid_intensity_country"] if row["basis"] == LIFECYCLE}
    for row in tables["regions"]:
        if (row["provider"], row["region"]) not in of_region and row["country_iso3"] not in of_country:
            yield row["factor_id"], "neither the region nor its country has a grid factor"


def far_apart(low, high):
    low, high = sorted((float(low), float(high)))
    return low > 0 and high / low > APART


def neighbours(tables):
    """The same thing in adjacent years or editions, and the same place in two tables."""
    for table, (column, order, key) in SERIES.items():
        series = collections.defaultdict(list)
        for row in tables[table]:
            if row[column] and row.get("accounting_method") != "market":
                series[tuple(row[name] for name in key)].append(row)
        for rows in series.values():
            rows.sort(key=lambda row: (row[order], row["factor_id"]))
            for one, next_one in zip(rows, rows[1:]):
                if far_apart(one[column], next_one[column]):
                    yield next_one["factor_id"], (f"{column} is {next_one[column]}, that of its neighbour "
                                                  f"{one['factor_id']} {one[column]}")
    of_region = {(row["provider"], row["region"]): row["country_iso3"] for row in tables["regions"]}
    of_country = {row["country_iso3"]: row for row in tables["grid_intensity_country"] if row["basis"] == LIFECYCLE}
    for row in tables["grid_intensity"]:
        country = of_region.get((row["provider"], row["region"]), row["country_iso3"])
        if row["country_iso3"] and row["country_iso3"] != country:
            yield row["factor_id"], f"country_iso3 is {row['country_iso3']}, that of regions is {country}"
        whole = of_country.get(row["country_iso3"])
        if row["basis"] == LIFECYCLE and whole \
                and far_apart(row["intensity_gco2e_per_kwh"], whole["intensity_gco2e_per_kwh"]):
            yield row["factor_id"], (f"intensity_gco2e_per_kwh is {row['intensity_gco2e_per_kwh']}, that of its country "
                                     f"{whole['factor_id']} {whole['intensity_gco2e_per_kwh']}")


def guesses(tables):
    for table, column in (("compute_power", "quality_note"), ("gpu_power", "note")):
        for row in tables[table]:
            if row["quality"] == "ok" and re.search(r"is an estimate|assumed", row[column].lower()):
                yield row["factor_id"], f"{column} says that it is a guess, quality says ok"


def memory_sizes(tables):
    return memory_faults(tables["instance_types"], APART)


def hosts(tables):
    return host_faults(tables["instance_types"], APART)


def corrections_of(document):
    """Every correction of SOURCES.toml; those that share one reason stand together as its `rows`."""
    for entry in document.get("correction", []):
        for row in entry.get("rows", [entry]):
            yield {"reason": entry["reason"]} | row


def corrections(by_id, entries):
    """A correction is in force, and an id that stood for another value is never used again."""
    for entry in entries:
        if entry.get("replaces") in by_id:
            yield entry["replaces"], "the id stood for another value (SOURCES.toml, [[correction]]) and is used again"
        if "factor_id" in entry:
            row = by_id.get(entry["factor_id"], {})
            for column, cell in entry["value"].items():
                if row.get(column) != cell:
                    yield entry["factor_id"], (f"{column} is {row.get(column)!r}, its correction in SOURCES.toml "
                                               f"says {cell!r}")


CHECKS = {"key": unmatched_keys, "gas": gases, "zero": zeros, "place": places_without_figures, "neighbour": neighbours,
          "guess": guesses, "memory": memory_sizes, "host": hosts}


def row_faults(tables, document):
    """Every fault as text, those that SOURCES.toml expects left out; an expectation that nothing meets is a fault."""
    expected = document.get("expected", [])
    by_id = {row["factor_id"]: row for rows in tables.values() for row in rows}
    met = set()
    for name, look in CHECKS.items():
        for factor_id, text in look(tables):
            cells = by_id.get(factor_id, {})
            known = [number for number, entry in enumerate(expected) if entry["check"] == name
                     and any(fnmatch.fnmatchcase(factor_id, pattern) for pattern in entry["factor_ids"])
                     and all(cells.get(column) == cell for column, cell in entry.get("where", {}).items())]
            met.update(known)
            if not known:
                yield f"{factor_id}: {text}"
    for number, entry in enumerate(expected):
        if number not in met:
            yield f"SOURCES.toml: nothing is as expected of {', '.join(entry['factor_ids'])} any more"
    for factor_id, text in corrections(by_id, corrections_of(document)):
        yield f"{factor_id}: {text}"
