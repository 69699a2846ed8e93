//! The checks of a row against its contract, on cells as text.

use std::collections::{BTreeSet, HashMap};

use super::contract::{Contract, Provider, plain};
use super::currency::is_iso_4217;
use crate::domain::decimal::{QUANTITY_SCALE, canonical_quantity, money, parse_written};
use crate::domain::period::Period;
use crate::domain::timestamp::{DateOrder, parse_timestamp};
use crate::error::{Error, Result};
use crate::transform::functions::is_null_text;

/// The largest cell that is landed.
pub const MAX_CELL_BYTES: usize = 1 << 20;
/// A thousand TiB in 10⁹ bytes at [`QUANTITY_SCALE`]: with the hours of a month the largest conversion of a bill's unit.
/// Larger ones are units of activity data, whose quantities are kept as they are.
const WORST_MULTIPLIER: i128 = 1_099_511_627_776_000_000_000;

/// A bill that a slice holds rows of: provider and billing account.
pub type Bill = (String, String);

/// What a cell of a role must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Cost,
    Money,
    Quantity,
    RequiredDate,
    Date,
    Currency,
    NotNull,
}

/// The contract applied to the columns of one file.
pub struct Checks {
    /// (column index, delivered name, role).
    pub(super) roles: Vec<(usize, String, Role)>,
    period: Vec<usize>,
    account: Option<usize>,
    provider: Option<usize>,
    fixed_provider: Option<&'static str>,
    default_currency: bool,
    /// Units that `reference.units` knows, lower case; only for activity data.
    units: Option<(usize, std::sync::Arc<BTreeSet<String>>)>,
    country: Option<usize>,
    bills: BTreeSet<(Bill, Period)>,
    last_bill: Option<(Bill, Period)>,
    unknown_currencies: BTreeSet<String>,
    last_date: (String, Option<i64>),
    unreadable_dates: u64,
}

/// A column and why its cell cannot be landed.
pub type Fault = (String, String);

impl Checks {
    /// Finds the contract's columns among the headers.
    ///
    /// # Errors
    /// Data: a required column, the cost column or the currency is missing.
    pub fn new(
        contract: &Contract,
        headers: &[String],
        default_currency: Option<&str>,
        units: Option<std::sync::Arc<BTreeSet<String>>>,
    ) -> Result<Checks> {
        let mut positions: HashMap<String, usize> = HashMap::new();
        for (index, header) in headers.iter().enumerate() {
            positions.entry(plain(header)).or_insert(index);
        }
        let find = |name: &str| positions.get(name).copied();
        let first = |names: &[&str]| names.iter().find_map(|name| find(name));
        if !contract.cost.is_empty() && first(contract.cost).is_none() {
            return Err(Error::data("the file has no cost column")
                .because(format!("expected {}", spell(contract, contract.cost)))
                .hint(
                    "check that the source's `kind` is right, and that the export includes the cost column",
                ));
        }
        let missing: Vec<&str> = contract
            .required
            .iter()
            .copied()
            .filter(|name| find(name).is_none())
            .collect();
        if !missing.is_empty() {
            return Err(Error::data("the file lacks required columns")
                .because(spell(contract, &missing))
                .hint(
                    "check that the source's `kind` is right, and that the export includes these columns",
                ));
        }
        if contract.is_bill() && first(contract.currency).is_none() && default_currency.is_none() {
            return Err(Error::data("the file has no currency column")
                .because(format!("expected {}", spell(contract, contract.currency)))
                .hint("name the bill's currency in the source: currency = \"USD\""));
        }
        let mut roles = Vec::new();
        let mut add = |names: &[&str], role: Role| {
            for name in names {
                if let Some(index) = find(name) {
                    roles.push((index, headers[index].clone(), role));
                }
            }
        };
        add(contract.cost, Role::Cost);
        add(contract.money, Role::Money);
        add(contract.quantities, Role::Quantity);
        add(contract.required_dates, Role::RequiredDate);
        add(contract.dates, Role::Date);
        add(contract.currency, Role::Currency);
        add(contract.not_null, Role::NotNull);
        let provider = match contract.provider {
            Provider::Column(name) => find(name),
            _ => None,
        };
        Ok(Checks {
            roles,
            period: contract.period.iter().filter_map(|name| find(name)).collect(),
            account: first(contract.account),
            provider,
            fixed_provider: match contract.provider {
                Provider::Fixed(name) => Some(name),
                Provider::Column(_) => Some(""),
                Provider::None => None,
            },
            default_currency: default_currency.is_some(),
            units: units.zip(find("unit")).map(|(units, index)| (index, units)),
            country: find("country").filter(|_| !contract.is_bill()),
            bills: BTreeSet::new(),
            last_bill: None,
            unknown_currencies: BTreeSet::new(),
            last_date: (String::new(), None),
            unreadable_dates: 0,
        })
    }

    /// The columns that hold dates, and whether each is a billing period's start.
    pub fn date_columns(&self) -> Vec<(usize, bool)> {
        let dates = self
            .roles
            .iter()
            .filter(|(_, _, role)| matches!(role, Role::Date | Role::RequiredDate));
        dates
            .map(|(index, name, _)| {
                (
                    *index,
                    plain(name).ends_with("billingperiodstart")
                        || plain(name).ends_with("billingperiodstartdate"),
                )
            })
            .collect()
    }

    /// Columns whose cells are checked at all.
    pub fn checked_columns(&self) -> BTreeSet<usize> {
        let roles = self.roles.iter().map(|(index, ..)| *index);
        roles
            .chain(self.period.iter().copied())
            .chain(self.account)
            .chain(self.provider)
            .chain(self.units.as_ref().map(|u| u.0))
            .chain(self.country)
            .collect()
    }

    /// Checks one row, given its cells by column index; returns the period of a bare file's row.
    ///
    /// # Errors
    /// The first column that breaks the contract, and why.
    pub fn row<'a>(
        &mut self,
        cell: impl Fn(usize) -> &'a str,
        order: Option<DateOrder>,
        fixed: Option<Period>,
    ) -> Result<Period, Fault> {
        for position in 0..self.roles.len() {
            let (index, role) = (self.roles[position].0, self.roles[position].2);
            let text = cell(index);
            if let Err(reason) = self.check(text, role, order) {
                return Err((self.roles[position].1.clone(), reason));
            }
        }
        if let Some((index, units)) = &self.units {
            let unit = cell(*index).trim().to_lowercase();
            if !units.contains(&unit) {
                return Err((
                    "unit".into(),
                    format!(
                        "the unit `{unit}` is unknown; `offgridflow sql \"select unit_raw from reference.units\"` lists those that are"
                    ),
                ));
            }
        }
        if let Some(index) = self.country {
            let country = cell(index).trim();
            if country.len() != 2 || !country.bytes().all(|b| b.is_ascii_uppercase()) {
                return Err((
                    "country".into(),
                    format!("`{country}` is no ISO 3166 alpha-2 code such as DE"),
                ));
            }
        }
        let period = match fixed {
            Some(period) => period,
            None => self.row_period(&cell, order).ok_or_else(|| {
                (
                    "period".to_string(),
                    "no date tells the billing period".to_string(),
                )
            })?,
        };
        self.note_bill(&cell, period);
        Ok(period)
    }

    fn check(&mut self, text: &str, role: Role, order: Option<DateOrder>) -> Result<(), String> {
        let null = is_null_text(text.as_bytes());
        match role {
            Role::Cost | Role::NotNull | Role::RequiredDate if null => Err("the cell is empty".into()),
            Role::Currency if null => match self.default_currency {
                true => Ok(()),
                false => Err("the row has no currency and the source names none".into()),
            },
            _ if null => Ok(()),
            Role::Cost | Role::Money => money(text.as_bytes())
                .map(|_| ())
                .map_err(|e| format!("`{}` is {e}", shown(text))),
            Role::Quantity => parse_written(text.as_bytes())
                .and_then(|w| {
                    canonical_quantity(w, WORST_MULTIPLIER, 744)
                        .map(|_| ())
                        .or_else(|_| w.exact(QUANTITY_SCALE).map(|_| ()))
                })
                .map_err(|e| format!("`{}` is {e}", shown(text))),
            Role::RequiredDate | Role::Date => {
                if self.last_date.0 != text {
                    self.last_date = (text.to_string(), parse_timestamp(text, order));
                }
                if self.last_date.1.is_none() && role == Role::Date {
                    self.unreadable_dates += 1;
                    return Ok(());
                }
                self.last_date
                    .1
                    .map(|_| ())
                    .ok_or_else(|| format!("`{}` is no date of a known form", shown(text)))
            }
            Role::Currency => {
                let code = text.trim();
                if code.len() > 10 {
                    return Err(format!("`{}` is no currency", shown(text)));
                }
                if !is_iso_4217(code) && !self.unknown_currencies.contains(code) {
                    self.unknown_currencies.insert(code.to_string());
                }
                Ok(())
            }
            Role::NotNull => Ok(()),
        }
    }

    fn row_period<'a>(&self, cell: &impl Fn(usize) -> &'a str, order: Option<DateOrder>) -> Option<Period> {
        self.period
            .iter()
            .map(|index| cell(*index))
            .find(|text| !is_null_text(text.as_bytes()))
            .and_then(|text| parse_timestamp(text, order))
            .and_then(|micros| Period::of_epoch_day(micros.div_euclid(86_400_000_000) as i32))
    }

    /// Notes the bill of a row whose cells were checked as a column.
    pub(super) fn note_clean_row<'a>(&mut self, cell: impl Fn(usize) -> &'a str, period: Period) {
        self.note_bill(&cell, period);
    }

    /// Whether the rows are a bill.
    pub(super) fn is_bill(&self) -> bool {
        self.fixed_provider.is_some()
    }

    /// The columns that tell the bill of a row.
    pub(super) fn bill_columns(&self) -> impl Iterator<Item = usize> {
        self.account.into_iter().chain(self.provider)
    }

    fn note_bill<'a>(&mut self, cell: &impl Fn(usize) -> &'a str, period: Period) {
        let Some(fixed) = self.fixed_provider else { return };
        let clean = |index: Option<usize>| {
            index
                .map(|i| cell(i).trim())
                .filter(|t| !is_null_text(t.as_bytes()))
                .unwrap_or("")
        };
        let account = clean(self.account);
        let provider = match self.provider {
            Some(_) => clean(self.provider),
            None => fixed,
        };
        if let Some(((last_provider, last_account), last_period)) = &self.last_bill
            && last_provider == provider
            && last_account == account
            && *last_period == period
        {
            return;
        }
        let bill = ((provider.to_string(), account.to_string()), period);
        self.bills.insert(bill.clone());
        self.last_bill = Some(bill);
    }

    /// The bills seen, the provider in its canonical spelling.
    pub fn bills(&self) -> BTreeSet<(Bill, Period)> {
        self.bills
            .iter()
            .map(|((provider, account), period)| {
                (
                    (canonical_provider(provider).to_string(), account.clone()),
                    *period,
                )
            })
            .collect()
    }

    /// Cells of optional date columns that are no date: landed as they are, read as null.
    pub fn unreadable_dates(&self) -> u64 {
        self.unreadable_dates
    }

    /// Currency codes that ISO 4217 does not know.
    pub fn unknown_currencies(&self) -> &BTreeSet<String> {
        &self.unknown_currencies
    }
}

/// `AWS`, `Microsoft`, `Google Cloud` or `Oracle` for every spelling of these; others stay as delivered.
pub fn canonical_provider(provider: &str) -> &str {
    let lower = provider.to_ascii_lowercase();
    if lower == "aws" || lower.starts_with("amazon") {
        "AWS"
    } else if lower.starts_with("microsoft") || lower.starts_with("azure") {
        "Microsoft"
    } else if lower == "gcp" || lower.starts_with("google") {
        "Google Cloud"
    } else if lower == "oci" || lower.starts_with("oracle") {
        "Oracle"
    } else {
        provider
    }
}

fn spell(contract: &Contract, names: &[&str]) -> String {
    let spelled = names.iter().map(|name| {
        contract
            .columns
            .iter()
            .copied()
            .find(|c| plain(c) == **name)
            .unwrap_or(name)
    });
    spelled.collect::<Vec<_>>().join(", ")
}

fn shown(text: &str) -> String {
    if text.chars().count() <= 40 {
        text.to_string()
    } else {
        format!("{}…", text.chars().take(40).collect::<String>())
    }
}
