//! Slices that are to be forgotten: which there are, and everything that is noted of one.

use std::collections::BTreeSet;

use super::errors::failed;
use super::open::{Ledger, committed};
use super::slices::SliceKey;
use crate::error::Result;

/// Which slices of an export: one period, or all of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExportSlices {
    /// The tenant.
    pub tenant: String,
    /// The source's id, configured or not.
    pub source: String,
    /// The export.
    pub export: String,
    /// `YYYY-MM`; `None` is the whole export.
    pub period: Option<String>,
}

impl Ledger {
    /// Every slice that anything is noted of, of any tenant; a bare file's has no period, though its bills have.
    ///
    /// # Errors
    /// External when the database cannot be read.
    pub async fn noted_slices(&self) -> Result<BTreeSet<SliceKey>> {
        let rows = sqlx::query(
            "SELECT tenant, source, kind, export, period FROM delivery
             UNION SELECT tenant, source, kind, export, period FROM content
             UNION SELECT tenant, source, kind, export, period FROM quarantine
             UNION SELECT tenant, source, kind, export, period FROM bill
             WHERE NOT EXISTS (SELECT 1 FROM content WHERE content.tenant = bill.tenant AND content.source = bill.source
                 AND content.kind = bill.kind AND content.export = bill.export AND content.period = '')
               AND NOT EXISTS (SELECT 1 FROM delivery WHERE delivery.tenant = bill.tenant AND delivery.source = bill.source
                 AND delivery.kind = bill.kind AND delivery.export = bill.export AND delivery.period = '')",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(failed)?;
        rows.iter().map(SliceKey::read).collect()
    }

    /// Forgets which delivery slices hold, before their rows go: after a killed process they land again.
    ///
    /// A bare file's slice has no period of its own: without one of its periods it is no longer held as it was delivered.
    ///
    /// # Errors
    /// External when the database cannot be written.
    pub async fn forget_deliveries(&self, slices: &ExportSlices) -> Result<()> {
        let statement = "DELETE FROM delivery WHERE tenant = ?1 AND source = ?2 AND export = ?3
             AND (?4 IS NULL OR period IN (?4, ''))";
        self.delete(slices, &[statement]).await
    }

    /// Forgets all else that is noted of slices whose rows are gone: bills, contents, rejected rows, checks of APIs and, of a whole
    /// export that is gone, that it was listed. What a run did stays in the history of runs.
    ///
    /// # Errors
    /// External when the database cannot be written.
    pub async fn forget_notes(&self, slices: &ExportSlices) -> Result<()> {
        let statements = [
            "DELETE FROM bill WHERE tenant = ?1 AND source = ?2 AND export = ?3 AND (?4 IS NULL OR period = ?4)",
            "DELETE FROM content WHERE tenant = ?1 AND source = ?2 AND export = ?3 AND (?4 IS NULL OR period = ?4)",
            "DELETE FROM quarantine WHERE tenant = ?1 AND source = ?2 AND export = ?3 AND (?4 IS NULL OR period = ?4)",
            "DELETE FROM api_check WHERE tenant = ?1 AND source = ?2 AND export = ?3 AND (?4 IS NULL OR period = ?4)",
            // A check of the source as a whole may say that nothing changed: what is still there is asked for again.
            "DELETE FROM api_check WHERE tenant = ?1 AND source = ?2 AND (export = '' OR export = ?3 AND ?4 IS NULL)",
            "DELETE FROM listing WHERE tenant = ?1 AND source = ?2 AND export = ?3 AND ?4 IS NULL AND gone_at IS NOT NULL",
        ];
        self.delete(slices, &statements).await
    }

    async fn delete(&self, slices: &ExportSlices, statements: &[&'static str]) -> Result<()> {
        let mut transaction = self.write().await?;
        for statement in statements {
            sqlx::query(*statement)
                .bind(&slices.tenant)
                .bind(&slices.source)
                .bind(&slices.export)
                .bind(&slices.period)
                .execute(&mut *transaction)
                .await
                .map_err(failed)?;
        }
        committed(transaction).await
    }
}
