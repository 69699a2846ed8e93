"""What the shop runs at AWS: one entry per bill line that comes back every day, with its list price in USD."""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Callable

from .common import demand, rounded, share_of_month

PAYER = "111122223333"
PRODUCTION = "444455556666"
DEVELOPMENT = "777788889999"
ACCOUNT_NAMES = {PAYER: "demo-payer", PRODUCTION: "demo-production", DEVELOPMENT: "demo-development"}

VIRGINIA = "us-east-1"
FRANKFURT = "eu-central-1"
REGION_NAMES = {VIRGINIA: "US East (N. Virginia)", FRANKFURT: "EU (Frankfurt)"}
# Usage types of the oldest region carry no prefix.
PREFIX = {VIRGINIA: "", FRANKFURT: "EUC1-"}

SHOP = {"user_team": "shop", "user_env": "prod"}
DATA = {"user_team": "data", "user_env": "prod"}
RESEARCH = {"user_team": "research", "user_env": "dev"}
DEV = {"user_team": "platform", "user_env": "dev"}
UNTAGGED: dict[str, str] = {}

Amount = Callable[[date], Decimal]


@dataclass(frozen=True)
class Line:
    account: str
    region: str
    product_code: str
    usage_type: str                 # without the region's prefix
    operation: str
    unit: str
    price: str
    amount: Amount                  # per day, in `unit`
    tags: dict[str, str]
    family: str
    description: str
    resource: str = ""
    instance_type: str = ""
    product: dict[str, str] = field(default_factory=dict)
    to_region: str = ""             # of a transfer; "External" is the internet
    from_region: str = ""
    covered_by: str = ""            # "savings plan" or "reservation"
    until: date = date(9999, 1, 1)  # exclusive
    since: date = date(1, 1, 1)
    service_code: str = ""          # where it is not the product code
    prefixed: bool = True


def steady(count: str) -> Amount:
    return lambda day: Decimal(count) * 24


def scaling(count: str, key: str) -> Amount:
    """A group that grows and shrinks with demand, billed by the second."""
    return lambda day: rounded(Decimal(count) * 24 * demand(day, key), 10)


def weekdays(hours: str, key: str) -> Amount:
    def amount(day: date) -> Decimal:
        if day.weekday() >= 5:
            return Decimal(0)
        return rounded(Decimal(hours) * demand(day, key), 10)
    return amount


def traffic(per_day: str, key: str, places: int = 10) -> Amount:
    return lambda day: rounded(Decimal(per_day) * demand(day, key), places)


def stored(size: str, growth: str) -> Amount:
    """Gigabyte-months: the month's average size, a day's share of it."""
    return lambda day: share_of_month(Decimal(size) * (1 + Decimal(growth) * (day.month - 1)), day.month)


def virtual_machine(account: str, region: str, instance_type: str, vcpu: int, memory: str, price: str, amount: Amount,
                    tags: dict[str, str], resource: str, **more: object) -> Line:
    return Line(account, region, "AmazonEC2", f"BoxUsage:{instance_type}", "RunInstances", "Hrs", price, amount, tags,
                "Compute Instance", f"per On Demand Linux {instance_type} Instance Hour", f"i-demo{resource}",
                instance_type, {"vcpu": str(vcpu), "memory": memory, "operating_system": "Linux"}, **more)


def database(account: str, region: str, usage_type: str, instance_type: str, vcpu: int, memory: str, deployment: str,
             price: str, tags: dict[str, str], resource: str) -> Line:
    return Line(account, region, "AmazonRDS", f"{usage_type}:{instance_type}", "CreateDBInstance:0014", "Hrs", price,
                steady("1"), tags, "Database Instance", f"RDS {instance_type} {deployment} hour running PostgreSQL",
                f"arn:aws:rds:{region}:{account}:db:{resource}", instance_type,
                {"vcpu": str(vcpu), "memory": memory, "database_engine": "PostgreSQL", "deployment_option": deployment})


def storage(account: str, region: str, product_code: str, usage_type: str, operation: str, price: str, amount: Amount,
            tags: dict[str, str], resource: str, family: str = "Storage") -> Line:
    return Line(account, region, product_code, usage_type, operation, "GB-Mo", price, amount, tags, family,
                f"per GB-month of {usage_type}", resource)


def transfer(account: str, region: str, usage_type: str, operation: str, price: str, amount: Amount,
             tags: dict[str, str], from_region: str, to_region: str, prefixed: bool = True) -> Line:
    return Line(account, region, "AmazonEC2", usage_type, operation, "GB", price, amount, tags, "Data Transfer",
                f"per GB {usage_type}", from_region=from_region, to_region=to_region, service_code="AWSDataTransfer",
                prefixed=prefixed)


RESERVATION_END = date(2025, 11, 1)

LINES = [
    # The shop in Frankfurt: two web servers under a savings plan, one under a reservation that ends on 1 November,
    # and what demand adds on top.
    virtual_machine(PRODUCTION, FRANKFURT, "m6i.2xlarge", 8, "32 GiB", "0.4600000000", steady("2"), SHOP, "web01",
                    covered_by="savings plan"),
    virtual_machine(PRODUCTION, FRANKFURT, "m6i.2xlarge", 8, "32 GiB", "0.4600000000", scaling("1.5", "web"), SHOP,
                    "web02"),
    virtual_machine(PRODUCTION, FRANKFURT, "m5.xlarge", 4, "16 GiB", "0.2300000000", steady("1"), SHOP, "queue01",
                    covered_by="reservation", until=RESERVATION_END),
    virtual_machine(PRODUCTION, FRANKFURT, "m5.xlarge", 4, "16 GiB", "0.2300000000", steady("1"), SHOP, "queue01",
                    since=RESERVATION_END),
    # The American shop, the analysts, the researchers' GPU on workdays, and machines that nobody tagged.
    virtual_machine(PRODUCTION, VIRGINIA, "c7g.xlarge", 4, "8 GiB", "0.1450000000", scaling("3", "us-web"), SHOP,
                    "usweb01"),
    virtual_machine(PRODUCTION, VIRGINIA, "m5.xlarge", 4, "16 GiB", "0.1920000000", steady("1"), DATA, "etl01"),
    virtual_machine(DEVELOPMENT, VIRGINIA, "g4dn.xlarge", 4, "16 GiB", "0.5260000000", weekdays("9", "gpu"), RESEARCH,
                    "gpu01"),
    virtual_machine(DEVELOPMENT, FRANKFURT, "t3.medium", 2, "4 GiB", "0.0480000000", weekdays("30", "dev"), DEV, "dev01"),
    virtual_machine(DEVELOPMENT, VIRGINIA, "t3.medium", 2, "4 GiB", "0.0416000000", steady("1"), UNTAGGED, "forgotten"),

    storage(PRODUCTION, FRANKFURT, "AmazonEC2", "EBS:VolumeUsage.gp3", "CreateVolume-Gp3", "0.0952000000",
            stored("1200", "0.015"), SHOP, "vol-demoweb"),
    storage(PRODUCTION, VIRGINIA, "AmazonEC2", "EBS:VolumeUsage.gp3", "CreateVolume-Gp3", "0.0800000000",
            stored("650", "0.03"), DATA, "vol-demoetl"),
    storage(DEVELOPMENT, VIRGINIA, "AmazonEC2", "EBS:VolumeUsage.gp3", "CreateVolume-Gp3", "0.0800000000",
            stored("220", "0"), UNTAGGED, "vol-demoforgotten"),
    storage(PRODUCTION, FRANKFURT, "AmazonS3", "TimedStorage-ByteHrs", "StandardStorage", "0.0245000000",
            stored("5400", "0.04"), SHOP, "demo-shop-images"),
    storage(PRODUCTION, FRANKFURT, "AmazonS3", "TimedStorage-SIA-ByteHrs", "StandardIAStorage", "0.0135000000",
            stored("9100", "0.02"), DATA, "demo-shop-logs"),
    storage(PRODUCTION, VIRGINIA, "AmazonS3", "TimedStorage-GDA-ByteHrs", "DeepArchiveStorage", "0.0009900000",
            stored("41000", "0.05"), DATA, "demo-archive"),

    transfer(PRODUCTION, FRANKFURT, "DataTransfer-Out-Bytes", "RunInstances", "0.0900000000", traffic("62", "eu-out"),
             SHOP, FRANKFURT, "External"),
    transfer(PRODUCTION, VIRGINIA, "DataTransfer-Out-Bytes", "RunInstances", "0.0900000000", traffic("38", "us-out"),
             SHOP, VIRGINIA, "External"),
    transfer(PRODUCTION, FRANKFURT, "DataTransfer-Regional-Bytes", "InterZone-Out", "0.0100000000",
             traffic("48", "zones"), SHOP, FRANKFURT, FRANKFURT),
    # One copy between regions is two lines: the sender pays, the receiver's line costs nothing.
    transfer(PRODUCTION, FRANKFURT, "EUC1-USE1-AWS-Out-Bytes", "RunInstances", "0.0200000000",
             traffic("21", "replication"), DATA, FRANKFURT, VIRGINIA, prefixed=False),
    transfer(PRODUCTION, VIRGINIA, "USE1-EUC1-AWS-In-Bytes", "RunInstances", "0.0000000000",
             traffic("21", "replication"), DATA, FRANKFURT, VIRGINIA, prefixed=False),

    database(PRODUCTION, FRANKFURT, "Multi-AZUsage", "db.m6g.large", 2, "8 GiB", "Multi-AZ", "0.3760000000", SHOP,
             "demo-orders"),
    database(PRODUCTION, VIRGINIA, "InstanceUsage", "db.r6g.large", 2, "16 GiB", "Single-AZ", "0.2250000000", DATA,
             "demo-reporting"),
    storage(PRODUCTION, FRANKFURT, "AmazonRDS", "RDS:Multi-AZ-GP2-Storage", "CreateDBInstance:0014", "0.2740000000",
            stored("500", "0"), SHOP, "demo-orders", "Database Storage"),
    storage(PRODUCTION, VIRGINIA, "AmazonRDS", "RDS:GP3-Storage", "CreateDBInstance:0014", "0.1150000000",
            stored("300", "0.02"), DATA, "demo-reporting", "Database Storage"),

    Line(PRODUCTION, VIRGINIA, "AWSLambda", "Lambda-GB-Second", "Invoke", "Lambda-GB-Second", "0.0000166667",
         traffic("182000", "lambda", 6), SHOP, "Serverless", "AWS Lambda - Compute Free Tier exceeded, x86",
         f"arn:aws:lambda:us-east-1:{PRODUCTION}:function:demo-checkout", product={"architecture": "x86_64"}),
    Line(PRODUCTION, VIRGINIA, "AWSLambda", "Request", "Invoke", "Requests", "0.0000002000",
         traffic("910000", "lambda-calls", 0), SHOP, "Serverless", "AWS Lambda - Requests",
         f"arn:aws:lambda:us-east-1:{PRODUCTION}:function:demo-checkout"),
    Line(PRODUCTION, FRANKFURT, "AmazonECS", "Fargate-vCPU-Hours:perCPU", "FargateTask", "hours", "0.0465600000",
         traffic("57.6", "fargate"), SHOP, "Compute", "AWS Fargate - vCPU - EU (Frankfurt)", "demo-recommendations"),
    Line(PRODUCTION, FRANKFURT, "AmazonECS", "Fargate-GB-Hours", "FargateTask", "hours", "0.0051100000",
         traffic("115.2", "fargate"), SHOP, "Compute", "AWS Fargate - Memory - EU (Frankfurt)", "demo-recommendations"),
    # Nobody publishes how much energy a DynamoDB request takes: this service stays uncovered.
    Line(PRODUCTION, FRANKFURT, "AmazonDynamoDB", "WriteRequestUnits", "PayPerRequestThroughput", "WriteRequestUnits",
         "0.0000007625", traffic("2400000", "dynamo-writes", 0), SHOP, "Amazon DynamoDB PayPerRequest Throughput",
         "write request unit", f"arn:aws:dynamodb:eu-central-1:{PRODUCTION}:table/demo-cart"),
    Line(PRODUCTION, FRANKFURT, "AmazonDynamoDB", "ReadRequestUnits", "PayPerRequestThroughput", "ReadRequestUnits",
         "0.0000001525", traffic("13500000", "dynamo-reads", 0), SHOP, "Amazon DynamoDB PayPerRequest Throughput",
         "read request unit", f"arn:aws:dynamodb:eu-central-1:{PRODUCTION}:table/demo-cart"),
    Line(PRODUCTION, FRANKFURT, "AmazonS3", "Requests-Tier1", "PutObject", "Requests", "0.0000054000",
         traffic("64000", "puts", 0), SHOP, "API Request", "PUT, COPY, POST or LIST requests", "demo-shop-images"),
]
