//! The checks of a row against its contract, on cells as text.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::arrow::datatypes::{DataType, Field};

use super::bill::Bill;
use super::cells::{invoice_month, is_short_number, nested};
use super::combined_amounts::net_cost;
use super::content::TextDigest;
use super::contract::{Combined, Contract, Nested, Provider, plain};
use super::cost_basis::CostBasis;
use super::currency::is_iso_4217;
use super::large_cells::{large_key, large_tags};
use super::limits::{Unit, factor, quantity, too_large};
use super::unreadable_tags::{UnreadableTags, can_be_tags};
use crate::domain::decimal::{double_money, money, parse_written};
use crate::domain::period::Period;
use crate::domain::timestamp::{DateOrder, is_usual_year, parse_timestamp};
use crate::error::{Error, ErrorKind, Result};
use crate::transform::functions::is_null_text;

/// Bytes of the texts of a slice's bills: of one with 100,000 accounts they are a quarter of it.
const BILL_BYTES: usize = 16 << 20;

/// Bytes of a bill's texts, with as much as its entry takes at least.
fn bytes_of(bill: &Bill) -> usize {
    16 + bill.provider.len() + bill.account.len() + bill.sub_account.len()
}

/// A month of hours and what comes with it; more are forgotten and read again.
const MOST_KNOWN_DATES: usize = 4096;

/// What a cell of a role must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Cost,
    Money,
    Quantity,
    Factor,
    RequiredDate,
    Date,
    Currency,
    Nested(Nested),
    NotNull,
}

/// The contract applied to the columns of one file.
pub struct Checks {
    /// (column index, delivered name, role).
    pub(super) roles: Vec<(usize, String, Role)>,
    period: Vec<usize>,
    account: Vec<usize>,
    sub_account: Vec<usize>,
    /// What the columns tell of the amounts; rows may tell more.
    cost_basis: Option<CostBasis>,
    /// The column whose `Unused…` values tell amortized cost.
    charge_type: Option<usize>,
    blank_rows: bool,
    blanks: u64,
    provider: Vec<usize>,
    fixed_provider: Option<&'static str>,
    default_currency: bool,
    pub(super) doubles: bool,
    /// Columns of doubles: digits beyond 24 places are noise of the type.
    double_columns: BTreeSet<usize>,
    /// Pairs of date columns of which the second is not before the first.
    ordered_dates: Vec<(usize, usize)>,
    /// Usual columns that the file has not.
    missing_columns: BTreeSet<&'static str>,
    /// Units that `reference.units` knows, lower case; only for activity data.
    units: Option<(usize, std::sync::Arc<BTreeSet<String>>)>,
    country: Option<usize>,
    /// The column of the unit that the row's quantities are in.
    unit: Option<usize>,
    has_blocks: bool,
    /// The columns of the cost and of what is added to it, with the path of the amounts there.
    credits: Option<(usize, usize, &'static str)>,
    /// Pairs of columns whose amounts the models make one of.
    combined: Vec<(usize, usize, Combined)>,
    /// Value and unit columns of the contract's measures, those of them that the file has.
    measures: Vec<(usize, Option<usize>, String, &'static [&'static str])>,
    bills: BTreeSet<(Bill, Period)>,
    /// Bytes of their texts; beyond [`BILL_BYTES`] no more are noted.
    bill_bytes: usize,
    last_bill: Option<(Bill, Period)>,
    unknown_currencies: BTreeSet<String>,
    last_currency: String,
    /// Whether texts of date columns are dates; they repeat.
    known_dates: datafusion::common::HashMap<String, bool>,
    unreadable_dates: u64,
    /// Columns whose texts tell the row's key.
    keys: BTreeMap<usize, String>,
    /// (column index, delivered name) of tags written as text.
    tags: Vec<(usize, String)>,
    unreadable_tags: UnreadableTags,
    /// Of the file's text, when it is text.
    pub(super) content: TextDigest,
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
        let columns = contract.headers(headers, false)?;
        let find = |name: &str| columns.place(name);
        let first = |names: &[&str]| names.iter().find_map(|name| find(name));
        if let [line] = headers
            && let Some(separator) = [';', '\t', '|']
                .into_iter()
                .find(|separator| line.contains(*separator))
        {
            return Err(Error::data("the file has one column")
                .because(format!("its header is one text with {separator:?} in it"))
                .hint("fields are separated by commas: export the file with commas"));
        }
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
        let values: Vec<&str> = contract.measures.iter().map(|measure| measure.0).collect();
        add(&values, Role::Quantity);
        add(contract.factors, Role::Factor);
        add(contract.required_dates, Role::RequiredDate);
        add(contract.dates, Role::Date);
        add(contract.currency, Role::Currency);
        add(contract.not_null, Role::NotNull);
        for (name, number) in contract.nested {
            add(&[*name], Role::Nested(*number));
        }
        let provider: Vec<usize> = contract
            .provider
            .columns()
            .iter()
            .filter_map(|name| find(name))
            .collect();
        let amounts = contract.nested.iter().find_map(|(name, number)| match number {
            Nested::Money(path) => Some((find(name)?, *path)),
            _ => None,
        });
        let credits = first(contract.cost).zip(amounts);
        let tags = contract.tags.iter().filter_map(|name| find(name));
        let tags = tags.map(|index| (index, headers[index].clone())).collect();
        let absent = |spellings: &&&[&str]| spellings.iter().all(|name| find(&plain(name)).is_none());
        let missing_columns = contract.expected.iter().filter(absent);
        Ok(Checks {
            roles,
            period: contract.period.iter().filter_map(|name| find(name)).collect(),
            account: contract.account.iter().filter_map(|name| find(name)).collect(),
            sub_account: contract
                .sub_account
                .iter()
                .filter_map(|name| find(name))
                .collect(),
            cost_basis: contract.cost_basis.map(|_| match find("billedcost") {
                Some(_) => CostBasis::Focus,
                None => CostBasis::Actual,
            }),
            charge_type: contract.cost_basis.and_then(find),
            blank_rows: contract.blank_rows,
            blanks: 0,
            provider,
            fixed_provider: match contract.provider {
                Provider::Fixed(name) => Some(name),
                Provider::Columns(_) => Some(""),
                Provider::None => None,
            },
            default_currency: default_currency.is_some(),
            doubles: contract.doubles,
            double_columns: BTreeSet::new(),
            ordered_dates: contract
                .ordered_dates
                .iter()
                .filter_map(|(first, second)| Some((find(first)?, find(second)?)))
                .collect(),
            missing_columns: missing_columns
                .filter_map(|spellings| spellings.first().copied())
                .collect(),
            units: units.zip(find("unit")).map(|(units, index)| (index, units)),
            unit: first(contract.units),
            has_blocks: contract.blocks,
            credits: credits.map(|(cost, (credits, path))| (cost, credits, path)),
            combined: contract
                .combined
                .iter()
                .filter_map(|(first, second, combined)| Some((find(first)?, find(second)?, *combined)))
                .collect(),
            country: find("country").filter(|_| !contract.is_bill()),
            measures: contract
                .measures
                .iter()
                .filter_map(|(value, unit, units)| {
                    let (value, unit_index) = (find(value)?, find(unit));
                    let name = unit_index.map_or(unit.to_string(), |index| headers[index].clone());
                    Some((value, unit_index, name, *units))
                })
                .collect(),
            bills: BTreeSet::new(),
            bill_bytes: 0,
            last_bill: None,
            unknown_currencies: BTreeSet::new(),
            last_currency: String::new(),
            known_dates: Default::default(),
            unreadable_dates: 0,
            keys: contract
                .keys(headers)
                .into_iter()
                .map(|index| (index, headers[index].clone()))
                .collect(),
            tags,
            unreadable_tags: UnreadableTags::new(),
            content: TextDigest::default(),
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

    /// Says which columns hold doubles.
    pub fn note_doubles(&mut self, columns: BTreeSet<usize>) {
        self.double_columns = columns;
    }

    /// Says in which types the columns of a typed file land: maps of tags need no look.
    pub(super) fn note_types(&mut self, fields: &[Field]) {
        self.tags
            .retain(|(index, _)| !matches!(fields[*index].data_type(), DataType::Map(..)));
    }

    /// The columns of tags written as text.
    pub(super) fn tag_columns(&self) -> impl Iterator<Item = usize> {
        self.tags.iter().map(|(index, _)| *index)
    }

    /// Holds the texts of a row's key and its tags to their limits, `bytes` of which the row is at most.
    ///
    /// # Errors
    /// The longest cell of what is too large, and why.
    pub(super) fn hold_key(
        &self,
        most: u64,
        bytes: usize,
        length: impl Fn(usize) -> usize,
    ) -> Result<(), Fault> {
        if bytes as u64 <= most {
            return Ok(());
        }
        let key: u64 = self.keys.keys().map(|index| length(*index) as u64).sum();
        if key > most {
            let longest = self.keys.iter().max_by_key(|(index, _)| length(**index));
            let column = longest.map(|(_, name)| name.clone()).unwrap_or_default();
            return Err((column, large_key(key, most)));
        }
        let most_tags = most.saturating_mul(4);
        let tags = self
            .tags
            .iter()
            .find(|(index, _)| length(*index) as u64 > most_tags);
        match tags {
            Some((index, column)) => Err((column.clone(), large_tags(length(*index) as u64, most_tags))),
            None => Ok(()),
        }
    }

    /// Columns that the kind's exports usually have and the file has not.
    pub fn missing_columns(&self) -> &BTreeSet<&'static str> {
        &self.missing_columns
    }

    /// Columns whose cells are checked at all.
    pub fn checked_columns(&self) -> BTreeSet<usize> {
        let roles = self.roles.iter().map(|(index, ..)| *index);
        roles
            .chain(self.period.iter().copied())
            .chain(self.bill_columns())
            .chain(self.units.as_ref().map(|u| u.0))
            .chain(self.country)
            .chain(self.unit)
            .chain(self.measures.iter().filter_map(|measure| measure.1))
            .chain(self.tag_columns())
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
        let blank = self.blank_rows && self.is_blank(&cell);
        self.blanks += u64::from(blank);
        for position in 0..self.roles.len() {
            let (index, role) = (self.roles[position].0, self.roles[position].2);
            if blank && role == Role::Cost {
                continue;
            }
            let text = cell(index);
            let unit = Unit::of(self.unit.map_or("", &cell), self.has_blocks);
            if let Err(reason) = self.check(index, text, role, order, unit) {
                return Err((self.roles[position].1.clone(), reason));
            }
        }
        if let Some((cost, credits, path)) = self.credits {
            let sum = net_cost(cell(cost), cell(credits), path, self.doubles);
            sum.map_err(|reason| (self.name_of(credits), reason))?;
        }
        for (first, second, combined) in &self.combined {
            let doubles = |index: &usize| self.doubles || self.double_columns.contains(index);
            let (one, other) = (cell(*first), cell(*second));
            if is_short_number(one.as_bytes()) && is_short_number(other.as_bytes()) {
                continue;
            }
            let fit = combined.fit((one, doubles(first)), (other, doubles(second)));
            fit.map_err(|reason| {
                (
                    self.name_of(*second),
                    format!("`{}` {reason}", self.name_of(*first)),
                )
            })?;
        }
        for (first, second) in &self.ordered_dates {
            let date = |index: &usize| parse_timestamp(cell(*index), order);
            if let (Some(start), Some(end)) = (date(first), date(second))
                && end < start
            {
                let reason = format!("`{}` is before `{}`", shown(cell(*second)), shown(cell(*first)));
                return Err((self.name_of(*second), reason));
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
        for (value, unit, name, units) in &self.measures {
            let unit = unit.map(&cell).unwrap_or("").trim();
            if !is_null_text(cell(*value).as_bytes()) && !units.contains(&unit) {
                let reason = format!("the unit `{}` is not {}", shown(unit), units.join(" or "));
                return Err((name.clone(), reason));
            }
        }
        let period = match fixed {
            Some(period) => period,
            None => match self.row_period(&cell, order) {
                Some(period) => period,
                None => return Err(self.no_period(&cell, order)),
            },
        };
        self.note_bill(&cell, period);
        self.note_tags(&cell);
        Ok(period)
    }

    /// Which date does not tell the billing period, and why.
    fn no_period<'a>(&mut self, cell: &impl Fn(usize) -> &'a str, order: Option<DateOrder>) -> Fault {
        let untold = "no date tells the billing period";
        let cells = self.period.iter().map(|index| (*index, cell(*index)));
        let Some((index, text)) = cells.into_iter().find(|(_, text)| !is_null_text(text.as_bytes())) else {
            return ("period".to_string(), untold.to_string());
        };
        let reason = match self.check(index, text, Role::RequiredDate, order, Unit::One) {
            Err(reason) => reason,
            Ok(()) => format!("`{}` tells none", shown(text)),
        };
        let name = self.name_of(index);
        let column = if name.is_empty() {
            "period".to_string()
        } else {
            name
        };
        (column, format!("{untold}: {reason}"))
    }

    /// The delivered name of a checked column.
    fn name_of(&self, column: usize) -> String {
        let role = self.roles.iter().find(|(index, ..)| *index == column);
        role.map(|(_, name, _)| name.clone()).unwrap_or_default()
    }

    /// Whether a unit may be a block of units.
    pub(super) fn has_blocks(&self) -> bool {
        self.has_blocks
    }

    /// Whether the row states none of its amounts.
    fn is_blank<'a>(&self, cell: &impl Fn(usize) -> &'a str) -> bool {
        let mut amounts = self
            .roles
            .iter()
            .filter(|(_, _, role)| matches!(role, Role::Cost | Role::Money | Role::Quantity));
        amounts.all(|(index, ..)| is_null_text(cell(*index).as_bytes()))
    }

    fn check(
        &mut self,
        index: usize,
        text: &str,
        role: Role,
        order: Option<DateOrder>,
        unit: Unit<'_>,
    ) -> Result<(), String> {
        let null = is_null_text(text.as_bytes());
        match role {
            Role::Cost | Role::NotNull | Role::RequiredDate if null => Err("the cell is empty".into()),
            Role::Currency if null => match self.default_currency {
                true => Ok(()),
                false => Err("the row has no currency and the source names none".into()),
            },
            _ if null => Ok(()),
            Role::Cost | Role::Money if is_short_number(text.as_bytes()) => Ok(()),
            Role::Quantity if is_short_number(text.as_bytes()) && !unit.is_block() => Ok(()),
            Role::Cost | Role::Money if self.doubles || self.double_columns.contains(&index) => {
                parse_written(text.as_bytes())
                    .and_then(double_money)
                    .map(|_| ())
                    .map_err(|e| format!("`{}` is {}", shown(text), too_large(e, "an amount of money")))
            }
            Role::Nested(number) => nested(text, number).map_err(|e| format!("`{}`: {e}", shown(text))),
            Role::Cost | Role::Money => money(text.as_bytes())
                .map(|_| ())
                .map_err(|e| format!("`{}` is {}", shown(text), too_large(e, "an amount of money"))),
            Role::Quantity => parse_written(text.as_bytes())
                .and_then(|written| quantity(written, unit))
                .map_err(|e| format!("`{}` is {}", shown(text), too_large(e, unit.limited()))),
            Role::Factor => parse_written(text.as_bytes())
                .and_then(factor)
                .map_err(|e| format!("`{}` is {e}", shown(text))),
            Role::RequiredDate | Role::Date => {
                let is_date = self.is_date(text, order);
                if !is_date && role == Role::Date {
                    self.unreadable_dates += 1;
                    return Ok(());
                }
                match is_date {
                    true => Ok(()),
                    false if parse_timestamp(text, order).is_some() => Err(format!(
                        "the year of `{}` is not within 1990 to 2100",
                        shown(text)
                    )),
                    false
                        if let Some(order) =
                            order.filter(|order| parse_timestamp(text, Some(order.other())).is_some()) =>
                    {
                        Err(format!(
                            "`{}` does not fit the order of dates, {}",
                            shown(text),
                            order.as_str()
                        ))
                    }
                    false => Err(format!("`{}` is no date of a known form", shown(text))),
                }
            }
            Role::Currency => {
                if text == self.last_currency {
                    return Ok(());
                }
                let code = text.trim();
                if code.len() > 10 {
                    return Err(format!("`{}` is no currency", shown(text)));
                }
                if !is_iso_4217(&code.to_ascii_uppercase()) && !self.unknown_currencies.contains(code) {
                    self.unknown_currencies.insert(code.to_string());
                }
                self.last_currency = text.to_string();
                Ok(())
            }
            Role::NotNull => Ok(()),
        }
    }

    fn is_date(&mut self, text: &str, order: Option<DateOrder>) -> bool {
        if let Some(is_date) = self.known_dates.get(text) {
            return *is_date;
        }
        let is_date = parse_timestamp(text, order).is_some_and(is_usual_year);
        if self.known_dates.len() >= MOST_KNOWN_DATES {
            self.known_dates.clear();
        }
        self.known_dates.insert(text.to_string(), is_date);
        is_date
    }

    fn row_period<'a>(&self, cell: &impl Fn(usize) -> &'a str, order: Option<DateOrder>) -> Option<Period> {
        self.period
            .iter()
            .map(|index| cell(*index))
            .find(|text| !is_null_text(text.as_bytes()))
            .and_then(|text| {
                invoice_month(text).or_else(|| {
                    let micros = parse_timestamp(text, order).filter(|micros| is_usual_year(*micros))?;
                    Period::of_epoch_day(micros.div_euclid(86_400_000_000) as i32)
                })
            })
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
        let accounts = self.account.iter().chain(&self.sub_account).copied();
        accounts
            .chain(self.charge_type)
            .chain(self.provider.iter().copied())
    }

    fn note_bill<'a>(&mut self, cell: &impl Fn(usize) -> &'a str, period: Period) {
        let Some(fixed) = self.fixed_provider else { return };
        let clean = |indices: &[usize]| {
            let mut cells = indices.iter().map(|index| cell(*index).trim());
            cells.find(|text| !is_null_text(text.as_bytes())).unwrap_or("")
        };
        if let Some(index) = self.charge_type {
            let unused = |text: &str| {
                text.get(..6)
                    .is_some_and(|start| start.eq_ignore_ascii_case("unused"))
            };
            if unused(cell(index).trim()) {
                self.cost_basis = self.cost_basis.max(Some(CostBasis::Amortized));
            }
        }
        let (account, sub_account) = (clean(&self.account), clean(&self.sub_account));
        let provider = match self.provider.is_empty() {
            false => clean(&self.provider),
            true => fixed,
        };
        if let Some((last, last_period)) = &self.last_bill
            && last.provider == provider
            && last.account == account
            && last.sub_account == sub_account
            && *last_period == period
        {
            return;
        }
        let bill = Bill {
            provider: provider.to_string(),
            account: account.to_string(),
            sub_account: sub_account.to_string(),
        };
        let bytes = bytes_of(&bill);
        if self.bill_bytes <= BILL_BYTES && self.bills.insert((bill.clone(), period)) {
            self.bill_bytes += bytes;
        }
        self.last_bill = Some((bill, period));
    }

    fn note_tags<'a>(&mut self, cell: &impl Fn(usize) -> &'a str) {
        for (index, column) in &self.tags {
            let text = cell(*index);
            if can_be_tags(text) {
                continue;
            }
            match self.unreadable_tags.get_mut(column) {
                Some((rows, _)) => *rows += 1,
                None => {
                    self.unreadable_tags
                        .insert(column.clone(), (1, shown(text.trim())));
                }
            }
        }
    }

    /// These checks with the bills that other ones saw.
    pub(super) fn with_bills_of(self, seen: Checks) -> Checks {
        Checks {
            bills: seen.bills,
            bill_bytes: seen.bill_bytes,
            cost_basis: seen.cost_basis,
            ..self
        }
    }

    /// Refuses more bills than one slice may hold: its commit and the ledger list each of them.
    ///
    /// # Errors
    /// Data: an exceeded limit.
    pub fn hold_bills(&self, before: &BTreeSet<(Bill, Period)>) -> Result<()> {
        let before: usize = before.iter().map(|(bill, _)| bytes_of(bill)).sum();
        if self.bill_bytes + before <= BILL_BYTES {
            return Ok(());
        }
        Err(Error::data(format!(
            "the names of the accounts and months that the rows belong to have more than {} MiB together",
            BILL_BYTES >> 20
        ))
        .of_kind(ErrorKind::ExceededLimit)
        .hint("look at the columns of provider, account and sub-account: is it a bill?"))
    }

    /// The bills seen, in the spelling that every kind of source shares.
    pub fn bills(&self) -> BTreeSet<(Bill, Period)> {
        let canonical = |(bill, period): &(Bill, Period)| (bill.canonical(), *period);
        self.bills.iter().map(canonical).collect()
    }

    /// What the amounts are, as columns and rows show it: unused commitments are told apart in amortized cost alone.
    pub fn cost_basis(&self) -> Option<CostBasis> {
        self.cost_basis
    }

    /// Rows without any amount.
    pub fn blanks(&self) -> u64 {
        self.blanks
    }

    /// Cells of optional date columns that are no date: landed as they are, read as null.
    pub fn unreadable_dates(&self) -> u64 {
        self.unreadable_dates
    }

    /// Tags that cannot be read: landed as they are, read as none.
    pub fn unreadable_tags(&self) -> &UnreadableTags {
        &self.unreadable_tags
    }

    /// Currency codes that ISO 4217 does not know.
    pub fn unknown_currencies(&self) -> &BTreeSet<String> {
        &self.unknown_currencies
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
    if text.chars().nth(40).is_none() {
        text.to_string()
    } else {
        format!("{}…", text.chars().take(40).collect::<String>())
    }
}
