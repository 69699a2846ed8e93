//! What the folders of a path say: the billing period, the export above it, the run below it.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};

use crate::domain::days::DaySpan;
use crate::domain::period::Period;

/// The folders between the half of a Data Export (`data`, `metadata`) and its period: the carbon export keeps the months of
/// each version of its model apart.
const VERSION_FOLDER: &str = "carbon_model_version";

/// How a folder names its month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spelling {
    /// `BILLING_PERIOD=2026-09`, or `usage_period=2026-09` of the carbon export, which is right whatever a manifest says.
    Named,
    /// `20260901-20261001`.
    Range,
    /// `year=2026/month=9`.
    Hive,
}

/// The period folder of a path and what lies around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeriodFolder {
    /// The month that the folder names, of a range its first.
    pub period: Period,
    /// The days that it names: of a range both ends and what lies between them, else the month.
    pub days: DaySpan,
    /// How the folder names it.
    pub spelling: Spelling,
    /// The path up to and with the period folder.
    pub path: String,
    /// The path above it, and above `data` or `metadata`.
    pub above: String,
    /// The folders of runs directly below it (an assembly, an execution), joined; empty when there are none.
    pub run: String,
}

impl PeriodFolder {
    /// The deepest period folder among the folders of a path.
    pub fn of(path: &str) -> Option<Self> {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let folders = &parts[..parts.len().saturating_sub(1)];
        (0..folders.len())
            .rev()
            .find_map(|index| Self::at(folders, index))
    }

    /// The period folder that ends at `index`.
    fn at(folders: &[&str], index: usize) -> Option<Self> {
        let name = folders[index];
        let named = value_of(name, "billing_period").or_else(|| value_of(name, "usage_period"));
        let (period, spelling, first) = if let Some(text) = named {
            (text.parse().ok()?, Spelling::Named, index)
        } else if let Some(period) = of_range(name) {
            (period, Spelling::Range, index)
        } else {
            // Athena's layout writes the month without a leading zero.
            let year = value_of(folders.get(index.checked_sub(1)?)?, "year")?;
            let month = value_of(name, "month")?;
            (
                Period::new(year.parse().ok()?, month.parse().ok()?)?,
                Spelling::Hive,
                index - 1,
            )
        };
        let mut above = folders[..first].to_vec();
        let half = above.len().checked_sub(1 + versions(&above));
        if let Some(half) = half.filter(|_| spelling == Spelling::Named)
            && matches!(above[half], "data" | "metadata")
        {
            above.remove(half);
        }
        let run: Vec<&str> = folders[index + 1..]
            .iter()
            .copied()
            .take_while(|folder| is_run(folder))
            .collect();
        let path = folders[..=index].join("/");
        Some(PeriodFolder {
            period,
            days: DaySpan::from_compact(name).unwrap_or(DaySpan::of_month(period)),
            spelling,
            path,
            above: above.join("/"),
            run: run.join("/"),
        })
    }

    /// The same period's folder of the other half of a Data Export (`metadata` ↔ `data`).
    pub fn data_folder(&self) -> Option<String> {
        let mut parts: Vec<&str> = self.path.split('/').collect();
        let folders = parts.len() - 1;
        let half = folders.checked_sub(1 + versions(&parts[..folders]))?;
        (parts[half] == "metadata").then(|| {
            parts[half] = "data";
            parts.join("/")
        })
    }
}

/// How many folders right above a period name a version.
fn versions(above: &[&str]) -> usize {
    let is_version = |folder: &&&str| value_of(folder, VERSION_FOLDER).is_some();
    above.iter().rev().take_while(is_version).count()
}

/// The path below a folder; `None` when it is not below it, or the folder itself.
pub fn below<'a>(folder: &str, path: &'a str) -> Option<&'a str> {
    let rest = if folder.is_empty() {
        path
    } else {
        path.strip_prefix(folder)?.strip_prefix('/')?
    };
    (!rest.is_empty()).then_some(rest)
}

/// The name of the export at a folder that is the source itself.
pub fn name_of(folder: &str) -> String {
    match folder.rsplit('/').next() {
        Some(name) if !name.is_empty() => name.to_string(),
        _ => "export".to_string(),
    }
}

/// The value of a `key=value` folder.
fn value_of<'a>(folder: &'a str, key: &str) -> Option<&'a str> {
    let (name, value) = folder.split_once('=')?;
    name.eq_ignore_ascii_case(key).then_some(value)
}

/// The month of `YYYYMMDD-YYYYMMDD`; providers differ on whether the end belongs to it.
fn of_range(folder: &str) -> Option<Period> {
    let (start, end) = folder.split_once('-')?;
    let is_date = |text: &str| text.len() == 8 && Period::from_compact(text).is_some() && is_digits(text);
    (is_date(start) && is_date(end)).then(|| Period::from_compact(start))?
}

/// Whether a folder is named like one run of an export: a UUID or hash, a time, or a time and a UUID.
pub fn is_run(folder: &str) -> bool {
    if is_uuid(folder) || (folder.len() == 32 && is_hex(folder)) {
        return true;
    }
    let (time, rest) = folder.split_once('-').unwrap_or((folder, ""));
    let digits: String = time
        .chars()
        .filter(|c| !matches!(c, 'T' | 'Z' | '.' | ':'))
        .collect();
    is_digits(&digits)
        && (12..=17).contains(&digits.len())
        && (rest.is_empty() || is_uuid(rest) || is_hex(rest))
}

/// When a run was begun, where its folders say: `202609150312`, or a time before an execution's id.
pub fn run_time(run: &str) -> Option<DateTime<Utc>> {
    let digits: String = run
        .split('/')
        .next()?
        .split('-')
        .next()?
        .chars()
        .filter(|c| !matches!(c, 'T' | 'Z' | '.' | ':'))
        .collect();
    let minute = digits.get(..12).filter(|text| is_digits(text))?;
    let time = NaiveDateTime::parse_from_str(minute, "%Y%m%d%H%M").ok()?;
    let seconds: i64 = digits.get(12..14).and_then(|text| text.parse().ok()).unwrap_or(0);
    Some(time.and_utc() + TimeDelta::seconds(seconds))
}

/// The run in a file name such as `costs_8ca602ab-6c15-42ee-ab22-8cac7a770248.csv`.
pub fn run_of_name(name: &str) -> Option<&str> {
    let stem = name.split('.').next()?;
    let (_, run) = stem.rsplit_once('_')?;
    is_uuid(run).then_some(run)
}

fn is_uuid(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && text.split('-').all(is_hex)
}

fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_hexdigit())
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &str) -> (String, String, String) {
        let folder = PeriodFolder::of(path).unwrap();
        (folder.period.to_string(), folder.above, folder.run)
    }

    fn expect(period: &str, above: &str, run: &str) -> (String, String, String) {
        (period.into(), above.into(), run.into())
    }

    const UUID: &str = "16e57707-f9e3-49be-8be6-b84e684b5194";

    #[test]
    fn every_layout_names_its_period() {
        assert_eq!(
            of("b/cur/20260901-20261001/cur-1.csv.gz"),
            expect("2026-09", "b/cur", "")
        );
        assert_eq!(
            of(&format!("b/cur/20260901-20261001/{UUID}/cur-1.csv.gz")),
            expect("2026-09", "b/cur", UUID)
        );
        assert_eq!(of("x/20240101-20240131/a.csv"), expect("2024-01", "x", ""));
        assert_eq!(
            of("e/data/BILLING_PERIOD=2026-09/p.parquet"),
            expect("2026-09", "e", "")
        );
        assert_eq!(
            of("e/metadata/billing_period=2026-09/e-Manifest.json"),
            expect("2026-09", "e", "")
        );
        assert_eq!(
            of("r/r/year=2026/month=9/p.parquet"),
            expect("2026-09", "r/r", "")
        );
        let azure = format!("root/costs/20260901-20260930/202609150312/{UUID}/part_0_0001.csv");
        assert_eq!(
            of(&azure),
            expect("2026-09", "root/costs", &format!("202609150312/{UUID}"))
        );
        assert_eq!(of("e/data/BILLING_PERIOD=2026-09/region=us/p.parquet").2, "");
    }

    #[test]
    fn ranges_name_their_days_and_the_others_their_month() {
        for (path, days) in [
            ("x/20260401-20260630/a.csv", "2026-04-01 to 2026-06-30"),
            ("x/20260901-20260931/a.csv", "2026-09-01 to 2026-09-30"),
            ("r/year=2026/month=9/p.parquet", "2026-09-01 to 2026-09-30"),
        ] {
            assert_eq!(PeriodFolder::of(path).unwrap().days.to_string(), days, "{path}");
        }
    }

    #[test]
    fn each_version_of_the_carbon_model_is_an_export() {
        assert_eq!(
            of("e/data/carbon_model_version=v3.0.0/usage_period=2026-09/e.csv.gz"),
            expect("2026-09", "e/carbon_model_version=v3.0.0", "")
        );
        let manifest = "e/metadata/carbon_model_version=v3.0.0/usage_period=2026-09/e-Manifest.json";
        assert_eq!(
            of(manifest),
            expect("2026-09", "e/carbon_model_version=v3.0.0", "")
        );
        assert_eq!(
            PeriodFolder::of(manifest).unwrap().data_folder().as_deref(),
            Some("e/data/carbon_model_version=v3.0.0/usage_period=2026-09")
        );
    }

    #[test]
    fn other_folders_are_no_periods() {
        for path in [
            "a/b.csv",
            "20260901-20261001",
            "a/2026-09/b.csv",
            "a/month=9/b.csv",
            "a/20261301-20270101/b.csv",
        ] {
            assert_eq!(PeriodFolder::of(path), None, "{path}");
        }
    }

    #[test]
    fn the_data_folder_of_a_manifest() {
        let folder = PeriodFolder::of("e/metadata/BILLING_PERIOD=2026-09/e-Manifest.json").unwrap();
        assert_eq!(
            folder.data_folder().as_deref(),
            Some("e/data/BILLING_PERIOD=2026-09")
        );
        assert_eq!(
            PeriodFolder::of("e/20260901-20261001/e-Manifest.json")
                .unwrap()
                .data_folder(),
            None
        );
    }

    #[test]
    fn runs_are_told_from_other_folders() {
        for run in [
            UUID,
            "0123456789abcdef0123456789abcdef",
            "202609150312",
            "20260915T031200Z",
            &format!("20260915T031200Z-{UUID}"),
        ] {
            assert!(is_run(run), "{run}");
        }
        for folder in ["region=us", "day=01", "part", "2026", "20260901-20261001"] {
            assert!(!is_run(folder), "{folder}");
        }
        assert_eq!(run_of_name(&format!("costs_{UUID}.csv.gz")), Some(UUID));
        assert_eq!(run_of_name("costs_1.csv"), None);
        let time = |run: &str| run_time(run).map(|time| time.to_rfc3339());
        assert_eq!(
            time(&format!("202609150312/{UUID}")).as_deref(),
            Some("2026-09-15T03:12:00+00:00")
        );
        assert_eq!(
            time(&format!("20260915T031207Z-{UUID}")).as_deref(),
            Some("2026-09-15T03:12:07+00:00")
        );
        assert_eq!(time(UUID), None);
        assert_eq!(time("0123456789abcdef0123456789abcdef"), None);
    }
}
