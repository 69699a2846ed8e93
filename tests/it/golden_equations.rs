//! The published worked examples that speak of an equation rather than of a bill, through the program: an overlay sets
//! the factors that each example names. Those that speak of a bill stand in `tests/slt`; `docs/method.md` lists all.

use crate::support::Project;
use crate::support::project::{plain, source};

/// Lines of AWS in FOCUS form: an hour of one vCPU kept twice, a terabyte-hour on SSD, a day of one vCPU.
const BILL: &str = "\
BillingAccountId,BillingCurrency,BillingPeriodStart,ChargeCategory,ChargePeriodStart,ChargePeriodEnd,ConsumedQuantity,\
ConsumedUnit,BilledCost,ProviderName,ServiceName,RegionId,SkuMeter
billing-1,USD,2025-01-01T00:00:00Z,Usage,2025-01-02T00:00:00Z,2025-01-02T01:00:00Z,1,Hours,0.1,AWS,\
Amazon Relational Database Service,us-east-1,Multi-AZUsage:db.worked.medium
billing-1,USD,2025-01-01T00:00:00Z,Usage,2025-01-03T00:00:00Z,2025-01-03T01:00:00Z,1,TB-Hours,0.1,AWS,\
Amazon Elastic Compute Cloud,us-east-1,EBS:VolumeUsage.gp3
billing-1,USD,2025-01-01T00:00:00Z,Usage,2025-01-04T00:00:00Z,2025-01-05T00:00:00Z,24,Hours,2.4,AWS,\
Amazon Elastic Compute Cloud,us-east-1,BoxUsage:worked.medium
";

/// The factors of Cloud Carbon Footprint's own tests: 0.71 to 3.46 W per vCPU, PUE 1.135, 415.755 g per kWh, a volume
/// kept once, a host of 96 vCPU that took 1795.7 kg to make.
const OVERLAY: [(&str, &str); 5] = [
    (
        "compute_power",
        "factor_id,provider,microarchitecture,min_watts_per_vcpu,max_watts_per_vcpu,quality\n\
         own/power,aws,Worked,0.71,3.46,ok\n",
    ),
    (
        "instance_types",
        "factor_id,provider,instance_type,vcpu_count,microarchitecture,platform_vcpu_count,platform_embodied_kgco2e,quality\n\
         own/instance,aws,worked.medium,1,Worked,96,1795.7,ok\n",
    ),
    (
        "pue",
        "factor_id,provider,region,match_kind,year,pue_ratio,quality\nown/pue,aws,us-east-1,exact,2025,1.135,ok\n",
    ),
    (
        "grid_intensity",
        "factor_id,provider,region,accounting_method,basis,year,intensity_gco2e_per_kwh,quality\n\
         own/grid,aws,us-east-1,location,average-production-lifecycle,2025,415.755,ok\n",
    ),
    (
        "storage_coefficients",
        "factor_id,provider,kind,key,quantity,value,quality\nown/copies,aws,replication,EC2_EBS_VOLUME,replication,1,ok\n",
    ),
];

/// The bill, estimated at a utilisation of 1 %.
fn worked() -> Project {
    let project = Project::new(&format!(
        "[factors]\noverlay = \"factors\"\n[method]\nutilisation = 0.01\n[[tenant]]\nid = \"acme\"\nname = \"ACME Corp\"\n{}",
        source("bills", "focus", "bills")
    ));
    project.write("bills/worked.csv", BILL);
    for (table, rows) in OVERLAY {
        project.write(&format!("factors/{table}.csv"), rows);
    }
    project.run().expect(0);
    project
}

#[test]
fn equations_of_cloud_carbon_footprints_own_tests_to_their_last_digit() {
    let project = worked();
    let figures = |component: &str, day: &str| -> Vec<String> {
        let sql = format!(
            "select it_kwh, facility_kwh, location_gco2e, embodied_gco2e from estimate.cloud_emissions \
             where component = '{component}' and charge_date = date '{day}'"
        );
        let mut rows = project.rows(&sql);
        assert_eq!(rows.len(), 1, "{component} on {day}");
        rows.remove(0).iter().map(|figure| plain(figure)).collect()
    };
    // G02, ComputeEstimator.test.ts: 0.001674125 kWh and 6.960258393749999e-7 t, of one vCPU-hour kept twice.
    assert_eq!(
        figures("compute", "2025-01-02"),
        ["0.001475", "0.001674125", "0.696025839", ""]
    );
    // G03, StorageEstimator.test.ts: 0.001362 kWh and 5.6625831e-7 t.
    assert_eq!(
        figures("storage", "2025-01-03"),
        ["0.0012", "0.001362", "0.56625831", ""]
    );
    // G06, EmbodiedEmissionsEstimator.test.ts: 1.2811786529680366e-5 t; making a machine is no energy.
    assert_eq!(figures("embodied", "2025-01-04"), ["", "", "", "12.81178653"]);
}
