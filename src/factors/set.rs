//! The tables of a factor set and its version.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use datafusion::datasource::{MemTable, TableProvider};
use sha2::{Digest, Sha256};

use super::csv_table::CsvTable;
use crate::embedded::REFERENCE;
use crate::error::{Error, Result};

/// A factor set: table name → CSV text, read into columns when a query first asks.
pub struct FactorSet {
    base: BTreeMap<String, String>,
    overlay: BTreeMap<String, (String, String)>,
    version: String,
    /// By table: the hash of its text and its overlay.
    digests: BTreeMap<String, [u8; 32]>,
    read: Mutex<BTreeMap<String, Arc<MemTable>>>,
}

impl FactorSet {
    /// The embedded tables with the CSV files of a folder on top.
    ///
    /// # Errors
    /// Usage: the overlay folder does not exist or names a table there is not.
    pub fn load(overlay: Option<&Path>) -> Result<FactorSet> {
        let base: BTreeMap<String, String> = REFERENCE
            .iter()
            .map(|(path, text)| (table_name(path), (*text).to_string()))
            .collect();
        let mut files = BTreeMap::new();
        if let Some(folder) = overlay {
            let entries = std::fs::read_dir(folder).map_err(|e| {
                Error::usage("the factor overlay cannot be read")
                    .at(folder.display().to_string())
                    .because(e)
                    .hint("[factors] overlay names a folder of CSV files in the form of warehouse/reference")
            })?;
            for entry in entries {
                let path = entry?.path();
                if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("csv")) {
                    let name = table_name(&path.display().to_string());
                    if !base.contains_key(&name) {
                        return Err(Error::usage(format!(
                            "the overlay has a table `{name}` that the factor set does not know"
                        ))
                        .at(path.display().to_string())
                        .hint("`offgridflow factors list` names the tables"));
                    }
                    let file = path.display().to_string();
                    let text = std::fs::read_to_string(&path).map_err(|e| {
                        Error::usage("a file of the factor overlay cannot be read")
                            .at(file.clone())
                            .because(e)
                            .hint("a factor table is a file of UTF-8 text that this user may read")
                    })?;
                    files.insert(name, (file, text));
                }
            }
        }
        Ok(Self::of(base, files))
    }

    /// A set out of texts, such as an archived one.
    pub fn of(base: BTreeMap<String, String>, overlay: BTreeMap<String, (String, String)>) -> FactorSet {
        let mut hash = Sha256::new();
        for (name, text) in &base {
            hash.update(format!("{name}\n{text}\n"));
        }
        for (name, (_, text)) in &overlay {
            hash.update(format!("overlay {name}\n{text}\n"));
        }
        let digest: String = hash
            .finalize()
            .iter()
            .take(6)
            .map(|b| format!("{b:02x}"))
            .collect();
        let digests = base.iter().map(|(name, text)| {
            let mut hash = Sha256::new();
            hash.update(text);
            if let Some((_, text)) = overlay.get(name) {
                hash.update(format!("overlay\n{text}"));
            }
            (name.clone(), hash.finalize().into())
        });
        FactorSet {
            digests: digests.collect(),
            base,
            overlay,
            version: format!("fs-{digest}"),
            read: Mutex::default(),
        }
    }

    /// The hash of the set's files, short.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The hash of one table's text and its overlay: what reads only this table depends on nothing else of the set. `None`
    /// when there is no such table.
    pub fn digest(&self, name: &str) -> Option<&[u8; 32]> {
        self.digests.get(name)
    }

    /// The names of the tables.
    pub fn tables(&self) -> impl Iterator<Item = &str> {
        self.base.keys().map(String::as_str)
    }

    /// The text of every table with its overlay, for the archive.
    #[allow(clippy::type_complexity)] // Two maps side by side; names for them would say less.
    pub fn texts(&self) -> (&BTreeMap<String, String>, &BTreeMap<String, (String, String)>) {
        (&self.base, &self.overlay)
    }

    /// A table's rows, the overlay applied.
    ///
    /// # Errors
    /// Usage: there is no such table, or its text is no CSV.
    pub fn rows(&self, name: &str) -> Result<CsvTable> {
        let text = self.base.get(name).ok_or_else(|| {
            Error::usage(format!("there is no factor table `{name}`"))
                .hint("`offgridflow factors list` names the tables")
        })?;
        let mut table = CsvTable::parse(text, &format!("warehouse/reference/{name}.csv"))?;
        if let Some((file, text)) = self.overlay.get(name) {
            table.overlay(CsvTable::parse(text, file)?, file)?;
        }
        Ok(table)
    }

    /// A table for the query engine.
    ///
    /// # Errors
    /// As [`FactorSet::rows`].
    pub fn table(&self, name: &str) -> Result<Arc<dyn TableProvider>> {
        let mut read = self
            .read
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(table) = read.get(name) {
            return Ok(table.clone());
        }
        let batch = self.rows(name)?.to_batch()?;
        let table = Arc::new(MemTable::try_new(batch.schema(), vec![vec![batch]])?);
        read.insert(name.to_string(), table.clone());
        Ok(table)
    }
}

fn table_name(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.strip_suffix(".csv").unwrap_or(name).to_string()
}
