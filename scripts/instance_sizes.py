"""What the sizes of one instance family must hold among each other. A size that is far from the rest of its family has
a slipped unit (613 MB as 613 GB) or a wrong host: too small for the size, or another one than its sisters have."""
import collections, re, statistics

SIZES = ("vcpu_count", "memory_gb", "platform_vcpu_count", "platform_memory_gb", "platform_embodied_kgco2e")
# The sources' equation for the kilograms of a host: of the machine, of a gigabyte beyond the first 16 (Dell R740: 533 kg
# for 384 GB). Its parts for sockets, disks and accelerators come on top. ccf-app rounds: one percent is let pass.
MACHINE_KG, FIRST_GB, KG_PER_GB, ROUNDING = 1000, 16, 533 / 384, 0.99
# What fits into a host: of a size, of its host.
FITS = (("vcpu_count", "platform_vcpu_count"), ("memory_gb", "platform_memory_gb"))


def family(provider, name):
    """The key of instance_families, as method.md 3 and the README describe it."""
    name = name.lower()
    if provider == "aws":
        return re.sub(r"^(db|cache|ml|dms|mq|kafka)\.", "", name).split(".")[0]
    if provider == "gcp":
        return name.split("-")[0]
    name = re.sub(r"^(standard|basic)_", "", name)
    match = re.fullmatch(r"([a-z]+)\d+(?:-\d+)?(.*)", name)
    return re.sub(r"[_ ]", "", "".join(match.groups())) if match else name


def sisters(row):
    """The key of the sizes that are alike: of Google's series, the class (n2-highmem) as well."""
    if row["provider"] == "gcp":
        return "gcp", "-".join(row["instance_type"].lower().split("-")[:2])
    return row["provider"], family(row["provider"], row["instance_type"])


def is_constrained(row):
    """Azure's E16-4s v4 is an E16s v4 with 4 vCPU and all the memory; upstream takes the E16s v4 itself for its host."""
    return row["provider"] == "azure" and re.match(r"[a-z_]*\d+-\d", row["instance_type"].lower()) is not None


def figures_of(row):
    return {column: float(row[column]) for column in SIZES if row[column]}


def memory_faults(rows, apart):
    """Sizes whose memory per vCPU is further than `apart` times from the middle of their family."""
    families = collections.defaultdict(list)
    for row in rows:
        figures = figures_of(row)
        if figures.get("memory_gb", 0) > 0 and figures.get("vcpu_count", 0) > 0 and not is_constrained(row):
            families[sisters(row)].append((figures["memory_gb"] / figures["vcpu_count"], row["factor_id"]))
    for ratios in families.values():
        middle = statistics.median(ratio for ratio, _ in ratios)
        for ratio, factor_id in ratios:
            if max(ratio, middle) > apart * min(ratio, middle):
                yield factor_id, f"memory_gb per vCPU is {ratio:.4g}, the middle of its family {middle:.4g}"


def host_faults(rows, apart):
    """Sizes of 0, sizes that do not fit into their host, hosts with less kilograms than the memory of one size has, and
    hosts of one family that are far apart per vCPU."""
    families = collections.defaultdict(list)
    for row in rows:
        figures = figures_of(row)
        for column, figure in figures.items():
            if figure <= 0:
                yield row["factor_id"], f"{column} is {row[column]}: leave the cell empty or say why it is meant"
        for column, host in FITS:
            if figures.get(column, 0) > figures.get(host, float("inf")):
                yield row["factor_id"], f"{host} is {row[host]}, less than its own {column} {row[column]}"
        kilograms = figures.get("platform_embodied_kgco2e", float("inf"))
        of_memory = MACHINE_KG + max(0, figures.get("memory_gb", 0) - FIRST_GB) * KG_PER_GB * ROUNDING
        if 0 < kilograms < of_memory:
            yield row["factor_id"], (f"platform_embodied_kgco2e is {row['platform_embodied_kgco2e']}, less than the "
                                     f"{of_memory:.0f} of a host with the {row['memory_gb']} GB of this size")
        # The method does not read the host that ccf-app gives to burstable types (method.md 11).
        is_read = row["dataset"] != "ccf-app" or not row["burstable_baseline_pct"]
        if is_read and not is_constrained(row) \
                and figures.get("platform_embodied_kgco2e", 0) > 0 and figures.get("platform_vcpu_count", 0) > 0:
            families[sisters(row)].append(
                (figures["platform_embodied_kgco2e"] / figures["platform_vcpu_count"], row["factor_id"]))
    for ratios in families.values():
        least, least_id = min(ratios)
        for ratio, factor_id in ratios:
            if ratio > apart * least:
                yield factor_id, (f"platform_embodied_kgco2e per vCPU of the host is {ratio:.4g}, "
                                  f"that of {least_id} {least:.4g}")
