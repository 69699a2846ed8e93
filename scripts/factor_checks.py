"""What scripts/import-factors and its checks share: the tables of the set, their form, and what they cover."""
import collections, csv, hashlib, pathlib, sys, tomllib

from factor_faults import row_faults
from instance_sizes import family

METADATA = ["factor_id", "valid_from", "valid_to", "quality", "source", "licence"]
QUALITIES = {"ok", "undated", "assumed", "fallback"}
IMPORTED = ["activity_factors", "aws_usage_type_classes", "compute_power", "egrid_subregion", "gpu_instances",
            "gpu_power", "grid_intensity", "grid_intensity_country", "gwp", "instance_types", "memory_coefficients",
            "network_coefficients", "pue", "regions", "serverless_coefficients", "storage_coefficients",
            "us_state_egrid"]
HAND_WRITTEN = ["countries", "gas_aliases", "instance_families", "microarchitecture_aliases", "refrigerant_blends",
                "region_aliases", "service_names", "transfer_classes", "uncertainty", "units"]
LICENCES = {"Apache-2.0", "CC0", "CC BY 4.0", "OGL v3.0", "US public domain", "published fact"}
GENERATED_MARK = "# ---- written by scripts/import-factors, do not edit below this line"


def fail(message):
    sys.exit(f"import-factors: {message}")


def read_csv(path):
    with open(path, encoding="utf-8-sig", newline="") as handle:
        return list(csv.DictReader(handle))


def table_hashes(out):
    return {table: hashlib.sha256((out / f"{table}.csv").read_bytes()).hexdigest()
            for table in sorted(IMPORTED + HAND_WRITTEN)}


def write_hashes(out, shared=None):
    """Replaces the generated end of SOURCES.toml; the input hashes of imported tables stay when there is no input."""
    path = out / "SOURCES.toml"
    text = path.read_text("utf-8")
    inputs = {name: entry.get("input_sha256", "") for name, entry in tomllib.loads(text).get("table", {}).items()}
    lines = [text.split(GENERATED_MARK)[0].rstrip("\n"), "", GENERATED_MARK]
    for table, digest in table_hashes(out).items():
        count = len(read_csv(out / f"{table}.csv"))
        if shared and table in IMPORTED:
            inputs[table] = hashlib.sha256((pathlib.Path(shared) / f"{table}.csv").read_bytes()).hexdigest()
        lines += ["", f"[table.{table}]", f"imported = {str(table in IMPORTED).lower()}", f"rows = {count}",
                  f'sha256 = "{digest}"'] + ([f'input_sha256 = "{inputs[table]}"'] if table in IMPORTED else [])
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


def check(out):
    """Every fault of the set, as text."""
    document = tomllib.loads((out / "SOURCES.toml").read_text("utf-8"))
    seen, faults, is_ragged = {}, [], False
    for table, digest in table_hashes(out).items():
        content = (out / f"{table}.csv").read_bytes()
        if b"\r" in content or not content.endswith(b"\n") or content.startswith(b"\xef\xbb\xbf"):
            faults.append(f"{table}: not plain UTF-8 with LF line ends")
        if document["table"].get(table, {}).get("sha256") != digest:
            faults.append(f"{table}: SHA-256 differs from SOURCES.toml (run --rehash)")
        for number, row in enumerate(read_csv(out / f"{table}.csv"), 2):
            where = f"{table}.csv:{number}"
            if None in row or None in row.values():
                faults.append(f"{where}: number of cells differs from the header")
                is_ragged = True
                continue
            if row["factor_id"] in seen or not row["factor_id"]:
                faults.append(f"{where}: factor_id {row['factor_id']!r} empty or also in {seen.get(row['factor_id'])}")
            seen[row["factor_id"]] = where
            if row["quality"] not in QUALITIES:
                faults.append(f"{where}: quality {row['quality']!r}")
            entry = document["source"].get(row["source"])
            if entry is None or not entry.get("redistribute", True) or row["licence"] not in LICENCES \
                    or row["licence"] != entry["licence"]:
                faults.append(f"{where}: source {row['source']!r} or licence {row['licence']!r} not allowed")
    units = {row["unit_raw"] for row in read_csv(out / "units.csv")}
    for unit in sorted({row["unit"].lower() for row in read_csv(out / "activity_factors.csv")} - units):
        faults.append(f"units: no row for the factor unit {unit!r}")
    if not is_ragged:
        faults += row_faults({table: read_csv(out / f"{table}.csv") for table in IMPORTED + HAND_WRITTEN}, document)
    total = sum((out / f"{table}.csv").stat().st_size for table in IMPORTED + HAND_WRITTEN)
    return faults, len(seen), total


def coverage(out):
    aliases = {row["alias"].lower(): row["microarchitecture"].lower()
               for row in read_csv(out / "microarchitecture_aliases.csv")}
    power, good = collections.defaultdict(set), set()
    for row in read_csv(out / "compute_power.csv"):
        if row["quality"] != "fallback":
            name = aliases.get(row["microarchitecture"].lower(), row["microarchitecture"].lower())
            power[row["provider"]].add(name)
            # Another provider's row counts only when it is a good one; an assumed figure is not assumed twice.
            good |= {name} if row["quality"] == "ok" else set()
    families = {(row["provider"], row["family"]): row["microarchitecture"]
                for row in read_csv(out / "instance_families.csv")}
    types = collections.defaultdict(lambda: collections.defaultdict(set))
    resolve = lambda text: {aliases.get(name.lower(), name.lower()) for name in text.split("|") if name}
    for row in read_csv(out / "instance_types.csv"):
        types[row["provider"]][row["instance_type"].lower()] |= resolve(row["microarchitecture"])
    enough = True
    print("provider  types  own rows only  any provider  with families  without a figure (families)")
    for provider, names in sorted(types.items()):
        own = sum(1 for found in names.values() if found & power[provider])
        usable = power[provider] | good
        other = sum(1 for found in names.values() if found & usable)
        lacking = [name for name, found in names.items()
                   if not (found | resolve(families.get((provider, family(provider, name)), ""))) & usable]
        share = 1 - len(lacking) / len(names)
        enough &= share >= 0.9
        kinds = collections.Counter(family(provider, name) for name in lacking)
        print(f"{provider:8}{len(names):7}{own / len(names):15.1%}{other / len(names):14.1%}{share:15.1%}  "
              + " ".join(f"{kind}:{count}" for kind, count in sorted(kinds.items())))
    return enough
