//! Files that a log or a manifest names, compared with those that are in the store.

use std::collections::BTreeMap;

use super::table::{DataFile, Table};
use crate::error::Result;

/// Those of `named` (path and bytes) that are not in a folder as they should be, each with what is wrong with it.
pub(super) fn amiss(
    folder: &BTreeMap<String, u64>,
    named: impl IntoIterator<Item = (String, u64)>,
) -> Vec<String> {
    let told = named
        .into_iter()
        .filter_map(|(path, bytes)| match folder.get(&path) {
            None => Some(format!("{path} (gone)")),
            Some(there) if *there != bytes => Some(format!("{path} ({there} bytes instead of {bytes})")),
            Some(_) => None,
        });
    told.collect()
}

impl Table {
    /// The data files of this snapshot that are not in the store as its log says, each with what is wrong with it; of those
    /// that `is_looked_at`. The folder is listed once, no file is opened.
    ///
    /// # Errors
    /// External when the store cannot be listed.
    pub async fn files_amiss(&self, is_looked_at: impl Fn(&DataFile) -> bool) -> Result<Vec<String>> {
        let folder = self.location.sizes().await?;
        let named = self.files().iter().filter(|file| is_looked_at(file));
        Ok(amiss(
            &folder,
            named.map(|file| (file.path.to_string(), file.size)),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_or_of_another_size_is_named() {
        let folder = BTreeMap::from([
            ("a".to_string(), 5),
            ("b".to_string(), 6),
            ("more".to_string(), 7),
        ]);
        let named = [("a", 5), ("b", 9), ("c", 1)].map(|(path, bytes)| (path.to_string(), bytes));
        assert_eq!(
            amiss(&folder, named),
            ["b (6 bytes instead of 9)", "c (gone)"],
            "and what no log names is left to a vacuum"
        );
    }
}
