//! The factor tables as they are shipped: `scripts/import-factors --check` finds nothing in them, and finds what is wrong.

use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::support::{prepared, root};

fn import_factors(mode: &str, tables: &Path) -> Output {
    Command::new(prepared("OFFGRIDFLOW_TEST_PYTHON"))
        .arg(root().join("scripts/import-factors"))
        .arg(mode)
        .arg("--out")
        .arg(tables)
        .output()
        .unwrap()
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// A copy of the tables in which these texts are replaced, one occurrence each: (table, as shipped, instead).
fn changed(changes: &[(&str, &str, &str)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for entry in std::fs::read_dir(root().join("warehouse/reference")).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    for (table, shipped, instead) in changes {
        let path = folder.path().join(format!("{table}.csv"));
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(shipped), "{table} has no {shipped}");
        std::fs::write(&path, text.replacen(shipped, instead, 1)).unwrap();
    }
    folder
}

#[test]
fn the_shipped_tables_have_no_fault() {
    let output = import_factors("--check", &root().join("warehouse/reference"));
    assert!(output.status.success(), "{}", told(&output));
}

#[test]
fn a_table_that_was_edited_and_not_rehashed_is_found() {
    let tables = changed(&[("us_state_egrid", "Virginia,VA,SRVC", "Virginia,VA,RFCE")]);
    let output = import_factors("--check", tables.path());
    assert!(!output.status.success());
    assert!(
        told(&output).contains("us_state_egrid: SHA-256 differs"),
        "{}",
        told(&output)
    );
}

#[test]
fn every_planted_fault_is_found() {
    // What is planted, and what the check must say of it.
    let planted = [
        // A state that no bill names is no state, and the one it stood for has no row.
        (
            (
                "us_state_egrid",
                "/virginia,Virginia,",
                "/virginia,Virginia (other),",
            ),
            "us_state_egrid/virginia: us_state 'Virginia (other)': no such state",
        ),
        (
            (
                "us_state_egrid",
                "/wyoming,Wyoming,WY,RMPA",
                "/wyoming,Wyoming,WY,RMPX",
            ),
            "us_state_egrid/wyoming: egrid_subregion 'RMPX': no row in egrid_subregion",
        ),
        (
            ("us_state_egrid", "/texas,Texas,TX", "/texas,Texas,TN"),
            "us_state_egrid/texas: state_code 'TN' is another state's",
        ),
        (
            (
                "microarchitecture_aliases",
                "7R32,EPYC 2nd Gen",
                "7R32,EPYC Second",
            ),
            "microarchitecture 'EPYC Second': no instance or power figure has it",
        ),
        (
            (
                "region_aliases",
                "AWS,af-south-1,af-south-1",
                "AWS,af-south-1,af-south-9",
            ),
            "region_id 'af-south-9': no row in regions",
        ),
        (
            (
                "transfer_classes",
                "interzone-in,intra-region",
                "interzone-in,intraregion",
            ),
            "transfer_class 'intraregion': no row in network_coefficients",
        ),
        (
            (
                "gpu_instances",
                "p4d.24xlarge,8,NVIDIA Tesla A100",
                "p4d.24xlarge,8,NVIDIA A1000",
            ),
            "gpu_model 'NVIDIA A1000': no row in gpu_power",
        ),
        (
            ("pue", "aws,af-south-1,exact", "aws,af-south-9,exact"),
            "region 'af-south-9': no row in regions",
        ),
        (
            ("gas_aliases", "gas/r-744,R-744,CO2", "gas/r-744,R-744,CO3"),
            "gas 'CO3': no row in gwp, refrigerant_blends or activity_factors",
        ),
        (
            ("refrigerant_blends", "R-410A,HFC125,50", "R-410A,HFC125,40"),
            "the parts of R-410A add up to 90 percent",
        ),
        (
            (
                "refrigerant_blends",
                "R-507A,HFC143a,50,yes",
                "R-507A,HFC143z,50,yes",
            ),
            "component 'HFC143z': no row in gwp for AR4, AR5, AR6",
        ),
        // A zero that is a gap, in the tables that have one figure per place, gas or machine.
        (
            (
                "grid_intensity_country",
                "/deu/ember/2024,Germany,DEU,DE,2024,location,average-production-lifecycle,342.06",
                "/deu/ember/2024,Germany,DEU,DE,2024,location,average-production-lifecycle,0",
            ),
            "grid/country/deu/ember/2024: intensity_gco2e_per_kwh is 0",
        ),
        (
            ("gwp", "CH4,AR5,100,28", "CH4,AR5,100,0"),
            "gwp/ar5/ch4: gwp_kgco2e_per_kg is 0",
        ),
        (
            ("gpu_power", "NVIDIA T4,8,71", "NVIDIA T4,0,71"),
            "gpu_power/nvidia-t4: min_watts_per_gpu is 0",
        ),
        // A region that neither has a figure nor lies in a country that has one.
        (
            ("regions", "South Africa,ZAF,ZA", "Antarctica,ATA,AQ"),
            "grid/aws/af-south-1/ember: country_iso3 is ZAF, that of regions is ATA",
        ),
        (
            (
                "grid_intensity",
                "grid/aws/ap-south-2/ember,aws,ap-south-2,India,IND,location,average-production-lifecycle",
                "grid/aws/ap-south-2/ember,aws,ap-south-2,India,IND,location,average-consumption",
            ),
            "region/aws/ap-south-2: neither the region nor its country has a grid factor",
        ),
        (
            (
                "grid_intensity_country",
                "/ind/ember/2024,India,IND",
                "/ind/ember/2024,India,INX",
            ),
            "region/aws/ap-south-2: neither the region nor its country has a grid factor",
        ),
        // Neighbours more than three times apart: years, and a region beside its country.
        (
            (
                "grid_intensity",
                "us-central1,United States,USA,location,provider-published-grid-average,2023,430",
                "us-central1,United States,USA,location,provider-published-grid-average,2023,43.0",
            ),
            "grid/gcp/us-central1/provider-average/2023: intensity_gco2e_per_kwh is 43.0, that of its neighbour",
        ),
        (
            (
                "grid_intensity",
                "ap-northeast-1,Japan,JPN,location,average-production-lifecycle,,477.26",
                "ap-northeast-1,Japan,JPN,location,average-production-lifecycle,,4772.6",
            ),
            "grid/aws/ap-northeast-1/ember: intensity_gco2e_per_kwh is 4772.6, that of its country",
        ),
        (
            (
                "gpu_power",
                "NVIDIA H100,60,700,vendor TDP; min is an estimate,,,assumed",
                "NVIDIA H100,60,700,vendor TDP; min is an estimate,,,ok",
            ),
            "gpu_power/nvidia-h100: note says that it is a guess",
        ),
        // Sizes of one family: a slipped unit, a size of nothing, a host that does not hold the size, a host of its own.
        (
            (
                "instance_types",
                "aws,r5.large,2,16,,Xeon",
                "aws,r5.large,2,0.016,,Xeon",
            ),
            "instance/aws/r5.large/ccf-coefficients: memory_gb per vCPU is 0.008, the middle of its family 8",
        ),
        (
            (
                "instance_types",
                "gcp,n2-highmem-8,8,64,Cascade Lake,,0",
                "gcp,n2-highmem-8,8,0,Cascade Lake,,0",
            ),
            "instance/gcp/n2-highmem-8/ccf-coefficients: memory_gb is 0",
        ),
        (
            (
                "instance_types",
                "azure,D8 v3,8,32,Haswell|Cascade Lake|Skylake|Broadwell,,,,64,256",
                "azure,D8 v3,8,32,Haswell|Cascade Lake|Skylake|Broadwell,,,,4,256",
            ),
            "instance/azure/d8-v3/ccf-coefficients: platform_vcpu_count is 4, less than its own vcpu_count 8",
        ),
        (
            (
                "instance_types",
                "aws,x1.16xlarge,64,976,,Xeon E7-8880 v3,0,,128,1952",
                "aws,x1.16xlarge,64,976,,Xeon E7-8880 v3,0,,128,195.2",
            ),
            "instance/aws/x1.16xlarge/ccf-coefficients: platform_memory_gb is 195.2, less than its own memory_gb 976",
        ),
        (
            (
                "instance_types",
                "aws,i3.large,2,15.25,,,0,,72,",
                "aws,i3.large,2,15.25,,,0,,2,",
            ),
            "instance/aws/i3.large/ccf-app: platform_embodied_kgco2e per vCPU of the host is 1294, that of",
        ),
        // A host of a terabyte whose kilograms count no memory.
        (
            (
                "instance_types",
                "aws,r6i.32xlarge,128,1024,Ice Lake,,0,,128,1024,2499.12",
                "aws,r6i.32xlarge,128,1024,Ice Lake,,0,,128,1024,1000",
            ),
            "instance/aws/r6i.32xlarge/ccf-app/memory: platform_embodied_kgco2e is 1000, less than the 2385 of a host",
        ),
        (
            (
                "instance_types",
                "instance/aws/t1.micro/ccf-app/corrected,",
                "instance/aws/t1.micro/ccf-app,",
            ),
            "instance/aws/t1.micro/ccf-app: the id stood for another value",
        ),
        // Corrections stay in force, ids of other values stay retired, and no expectation outlives its row.
        (
            ("gwp", "gwp/ar6/sf6/corrected,", "gwp/ar6/sf6,"),
            "gwp/ar6/sf6: the id stood for another value",
        ),
        (
            (
                "grid_intensity",
                "westus2,United States,USA,location,average-production-lifecycle,,124.36",
                "westus2,United States,USA,location,average-production-lifecycle,,324.36",
            ),
            "nothing is as expected of grid/azure/westus2/ember any more",
        ),
    ];
    let changes: Vec<_> = planted.iter().map(|(change, _)| *change).collect();
    let tables = changed(&changes);
    assert!(import_factors("--rehash", tables.path()).status.success());
    let output = import_factors("--check", tables.path());
    let told = told(&output);
    assert!(!output.status.success(), "{told}");
    for (change, fault) in planted {
        assert!(
            told.contains(fault),
            "{change:?} is not found as `{fault}`:\n{told}"
        );
    }
    assert!(told.contains("us_state_egrid: no row for Virginia"), "{told}");
}
