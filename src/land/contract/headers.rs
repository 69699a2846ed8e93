//! What delivered headers mean: which of them are columns of the contract, decided once for checks and models alike.

use std::collections::BTreeMap;

use super::{Contract, plain};
use crate::error::{Error, Result};

/// The headers of one file and the contract's columns that they are.
#[derive(Debug, Clone)]
pub struct Headers {
    /// By delivered column: the spelling that the models use, if they know the column.
    known: Vec<Option<&'static str>>,
    /// By [`plain`] name of a column of the contract: the delivered column that is it.
    places: BTreeMap<String, usize>,
}

impl Contract {
    /// Finds the contract's columns among delivered headers, whatever their case and punctuation.
    ///
    /// Of several spellings of one column that no check reads, the one closest to the contract's is that column, and the
    /// others are columns of their own.
    ///
    /// # Errors
    /// Data: two headers are the same column, and a check reads it.
    pub fn headers(&self, delivered: &[String], parquet: bool) -> Result<Headers> {
        let mut spellings: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (index, header) in delivered.iter().enumerate() {
            let role = self.role_name(header);
            if !role.is_empty() {
                spellings.entry(role).or_default().push(index);
            }
        }
        let mut headers = Headers {
            known: vec![None; delivered.len()],
            places: BTreeMap::new(),
        };
        for (role, mut candidates) in spellings {
            candidates.sort_by_key(|index| (self.distance(&delivered[*index], &role), *index));
            if let [first, second, ..] = candidates[..]
                && self.is_checked(&role)
            {
                return Err(Error::data("two columns are spellings of the same one")
                    .at(format!("columns {} and {}", first + 1, second + 1))
                    .because(format!("`{}` and `{}`", delivered[first], delivered[second]))
                    .hint("export the file with one of them: which of the two is meant cannot be guessed"));
            }
            let chosen = candidates[0];
            headers.known[chosen] = self.known_spelling(&delivered[chosen], &role, parquet);
            headers.places.insert(role, chosen);
        }
        Ok(headers)
    }

    /// The [`plain`] name by which a delivered header has its role.
    pub fn role_name(&self, header: &str) -> String {
        let original = header
            .trim()
            .strip_suffix(')')
            .and_then(|text| text.rsplit_once('('));
        match original.filter(|_| self.translated).map(|(_, name)| plain(name)) {
            Some(name) if self.columns.iter().any(|column| plain(column) == name) => name,
            _ => plain(header),
        }
    }

    /// 0 for one of the contract's own spellings, 1 for another case of it, 2 for any other.
    fn distance(&self, header: &str, role: &str) -> u8 {
        let header = header.trim();
        let names = self.names(false).chain(self.names(true));
        let mut same = names.filter(|name| plain(name) == role);
        match same.clone().any(|name| name == header) {
            true => 0,
            false if same.any(|name| name.eq_ignore_ascii_case(header)) => 1,
            false => 2,
        }
    }

    /// The spelling the models use for a header. The legacy CUR has two of each column: the closer one.
    fn known_spelling(&self, header: &str, role: &str, parquet: bool) -> Option<&'static str> {
        let header = header.trim();
        let mut same = self.names(parquet).filter(|name| plain(name) == role);
        let own_case = same.clone().find(|name| name.eq_ignore_ascii_case(header));
        own_case.or_else(|| same.next())
    }

    /// Whether landing reads the cells of the column with this [`plain`] name.
    fn is_checked(&self, role: &str) -> bool {
        let lists = [
            self.required,
            self.cost,
            self.money,
            self.quantities,
            self.factors,
            self.units,
            self.required_dates,
            self.dates,
            self.currency,
            self.period,
            self.account,
            self.sub_account,
            self.not_null,
        ];
        let measures = self.measures.iter();
        lists.iter().any(|list| list.contains(&role))
            || measures
                .clone()
                .any(|(value, unit, _)| *value == role || *unit == role)
            || self.provider.columns().contains(&role)
    }
}

impl Headers {
    /// The spelling the models use for a delivered column, if they know it.
    pub fn known(&self, index: usize) -> Option<&'static str> {
        self.known[index]
    }

    /// The delivered column that is the one with this [`plain`] name.
    pub fn place(&self, role: &str) -> Option<usize> {
        self.places.get(role).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SourceKind;

    fn known(kind: SourceKind, headers: &[&str]) -> Vec<Option<&'static str>> {
        let delivered: Vec<String> = headers.iter().map(|header| header.to_string()).collect();
        let headers = Contract::of(kind).headers(&delivered, false).unwrap();
        (0..delivered.len()).map(|index| headers.known(index)).collect()
    }

    #[test]
    fn every_spelling_of_a_header_is_the_same_column() {
        for header in [
            "BilledCost",
            "billedcost",
            "billed_cost",
            "Billed Cost",
            " BILLED-COST ",
        ] {
            assert_eq!(
                known(SourceKind::Focus, &[header]),
                [Some("BilledCost")],
                "{header}"
            );
        }
        assert_eq!(
            known(
                SourceKind::AwsCur,
                &[
                    "lineItem/UnblendedCost",
                    "line_item_usage_amount",
                    "LineItem/UsageType"
                ]
            ),
            [
                Some("lineItem/UnblendedCost"),
                Some("line_item_usage_amount"),
                Some("lineItem/UsageType")
            ]
        );
        assert_eq!(
            known(SourceKind::Focus, &["Kosten (BilledCost)", "日本", ""]),
            [None, None, None]
        );
    }

    #[test]
    fn translated_headers_are_their_originals() {
        for header in [
            "Kosten (PreTaxCost)",
            "pre tax_cost",
            "PRETAXCOST",
            " Preis (netto) (PreTaxCost) ",
        ] {
            assert_eq!(
                known(SourceKind::AzureCost, &[header]),
                [Some("PreTaxCost")],
                "{header}"
            );
        }
        assert_eq!(known(SourceKind::AzureCost, &["Cost (EUR)"]), [None]);
    }

    #[test]
    fn two_spellings_of_a_checked_column_are_refused() {
        let twice = ["BilledCost", "billed_cost"].map(String::from);
        let error = Contract::of(SourceKind::Focus)
            .headers(&twice, false)
            .unwrap_err()
            .to_string();
        assert!(error.contains("`BilledCost` and `billed_cost`"), "{error}");
        // Nothing checks a region's name: the contract's own spelling is it.
        assert_eq!(
            known(SourceKind::Focus, &["region_name", "RegionName"]),
            [None, Some("RegionName")]
        );
    }
}
