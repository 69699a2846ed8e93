//! Small objects beside the tables: pointers, archived factor sets, published files.

use std::collections::BTreeMap;

use futures::TryStreamExt;
use object_store::ObjectStoreExt;
use object_store::path::Path;

use super::store::{Location, local_listing};
use crate::error::{Error, Result};

impl Location {
    fn inside(&self, path: &str) -> Path {
        self.child(path).prefix
    }

    /// Whether an object is there.
    ///
    /// # Errors
    /// External when the store cannot be asked.
    pub async fn exists(&self, path: &str) -> Result<bool> {
        match self.store.head(&self.inside(path)).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(Error::from(error).at(path.to_string())),
        }
    }

    /// Reads an object that this program wrote.
    ///
    /// # Errors
    /// External when it cannot be read.
    pub async fn read(&self, path: &str) -> Result<Vec<u8>> {
        let result = self
            .store
            .get(&self.inside(path))
            .await
            .map_err(|e| Error::from(e).at(path.to_string()))?;
        Ok(result
            .bytes()
            .await
            .map_err(|e| Error::from(e).at(path.to_string()))?
            .to_vec())
    }

    /// Writes an object as a whole; readers see the old or the new one.
    ///
    /// # Errors
    /// External when it cannot be written.
    pub async fn write(&self, path: &str, bytes: Vec<u8>) -> Result<()> {
        self.store
            .put(&self.inside(path), bytes.into())
            .await
            .map_err(|e| Error::from(e).at(path.to_string()))?;
        Ok(())
    }

    /// Copies an object; readers see the old or the new one.
    ///
    /// # Errors
    /// External when it cannot be copied.
    pub async fn copy(&self, from: &str, to: &str) -> Result<()> {
        self.store
            .copy(&self.inside(from), &self.inside(to))
            .await
            .map_err(|e| Error::from(e).at(to.to_string()))?;
        Ok(())
    }

    /// Deletes an object if it is there.
    ///
    /// # Errors
    /// External when the store refuses.
    pub async fn delete(&self, path: &str) -> Result<()> {
        // A name that no store knows.
        if let (Some(folder), Err(_)) = (self.local_path(&self.prefix), Path::parse(path)) {
            return match std::fs::remove_file(folder.join(path)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    Err(Error::from(error).at(folder.join(path).display().to_string()))
                }
                _ => Ok(()),
            };
        }
        match self.store.delete(&self.inside(path)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(Error::from(error).at(path.to_string())),
        }
    }

    /// Deletes everything below this place; on a local disk its folders, too.
    ///
    /// # Errors
    /// External when the store refuses.
    pub async fn delete_all(&self) -> Result<()> {
        for path in self.paths().await? {
            self.delete(&path).await?;
        }
        if let Some(folder) = self.local_path(&self.prefix)
            && let Err(error) = std::fs::remove_dir_all(&folder)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            return Err(Error::from(error).at(folder.display().to_string()));
        }
        Ok(())
    }

    /// The paths below this place, relative to it; none when it does not exist.
    ///
    /// # Errors
    /// External when the store cannot be listed.
    pub async fn paths(&self) -> Result<Vec<String>> {
        Ok(self.sizes().await?.into_keys().collect())
    }

    /// The paths below this place, relative to it, with the bytes of each object; none when it does not exist.
    ///
    /// # Errors
    /// External when the store cannot be listed.
    pub async fn sizes(&self) -> Result<BTreeMap<String, u64>> {
        if let Some(folder) = self.local_path(&self.prefix) {
            return local_listing::sizes(&folder).map_err(|error| {
                Error::external("a folder of the warehouse cannot be read")
                    .at(folder.display().to_string())
                    .because(error)
                    .hint("look at what lies there and at its permissions, then run again")
            });
        }
        let listed: Result<Vec<_>, _> = self.store.list(Some(&self.prefix)).try_collect().await;
        let metas = match listed {
            Ok(metas) => metas,
            Err(object_store::Error::NotFound { .. }) => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        let below = |p: &Path| {
            p.as_ref()
                .strip_prefix(self.prefix.as_ref())
                .map(|s| s.trim_start_matches('/').to_string())
        };
        let sizes = metas
            .iter()
            .filter_map(|meta| Some((below(&meta.location)?, meta.size)));
        Ok(sizes.collect())
    }
}
