//! The folder `current` of a published table, compared with what `latest.json` says of it.

use std::collections::BTreeMap;

use super::Warehouse;
use super::publishing::{CURRENT, FOLDER, part};
use super::stored_files::amiss;
use crate::error::{Error, Result};

/// How `current` is found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PublishedFiles {
    /// Which rows the snapshot holds that `latest.json` names; `None` when nothing is published, or just being replaced.
    pub contents: Option<String>,
    /// Files that no publish put there. Whoever reads the folder counts their rows too.
    pub foreign: Vec<String>,
    /// Files that are gone or of another size than was published, each with what is wrong with it.
    pub amiss: Vec<String>,
}

impl Warehouse {
    /// Looks at the files under fixed names: one listing, no file is opened.
    ///
    /// # Errors
    /// External when the store cannot be read.
    pub async fn published_files(&self, table: &str) -> Result<PublishedFiles> {
        let whole = async || {
            let pointer = self.pointer(table).await?;
            Ok::<_, Error>(pointer.filter(|pointer| !pointer.is_being_replaced))
        };
        let Some(pointer) = whole().await? else {
            return Ok(PublishedFiles::default());
        };
        let folder = self.published_folder(table).child(CURRENT).sizes().await?;
        let files = pointer.files.iter().enumerate();
        let named: BTreeMap<String, u64> = files.map(|(index, file)| (part(index), file.bytes)).collect();
        let foreign = folder.keys().filter(|path| !named.contains_key(*path));
        let found = PublishedFiles {
            contents: Some(pointer.contents.clone()),
            foreign: foreign.cloned().collect(),
            amiss: amiss(&folder, named),
        };
        // Another machine may have begun to publish between the two looks: its files are no foreign ones.
        if !found.is_whole() && whole().await?.as_ref() != Some(&pointer) {
            return Ok(PublishedFiles::default());
        }
        Ok(found)
    }

    /// Removes what no publish put into `current`, as the next publish would.
    ///
    /// # Errors
    /// External when the store refuses.
    pub async fn remove_foreign(&self, table: &str, found: &PublishedFiles) -> Result<()> {
        let current = self.published_folder(table).child(CURRENT);
        for path in &found.foreign {
            current.delete(path).await?;
        }
        Ok(())
    }

    /// `published/<table>/current`, for people.
    pub fn published_place(&self, table: &str) -> String {
        format!("{FOLDER}/{table}/{CURRENT}")
    }
}

impl PublishedFiles {
    /// Whether the folder holds what was published and nothing else.
    pub fn is_whole(&self) -> bool {
        self.foreign.is_empty() && self.amiss.is_empty()
    }
}
