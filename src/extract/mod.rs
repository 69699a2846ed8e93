//! Finds what a source delivered: which files belong together, to which export and to which period.
//!
//! A delivery is the unit that replaces: one finished version of one export and period, or one bare file.
//! Manifests decide where there are any; otherwise period folders; every other data file stands alone.

#[cfg(feature = "aws-api")]
mod aws;
#[cfg(feature = "azure")]
mod azure;
pub mod connector;
mod counted_days;
pub mod decode;
mod extracts;
mod format;
#[cfg(feature = "gcp")]
mod gcp;
mod layout;
mod loose;
mod manifest;
mod name_stamps;
mod origin;
mod passed_over;
mod present_days;
mod runs;
mod select;
#[cfg(test)]
mod tests;
mod unread;

use std::collections::BTreeSet;
use std::sync::Arc;

use sha2::{Digest, Sha256};

pub use counted_days::{CountedDays, Verdict};
pub use extracts::is_of_other_format;
pub use format::{Compression, Format};
pub use manifest::Manifest;
pub use origin::DeliveryOrigin;
pub use present_days::{PresentDays, Standing, place_of_run};

use connector::Known;

use crate::config::SourceKind;
use crate::domain::period::Period;
use crate::domain::timestamp::DateOrder;
use crate::error::{Error, Result};
use crate::warehouse::store::{Listing, Location, Object};

/// One file of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// The object as it was listed.
    pub object: Object,
    /// Its name in provenance columns and messages.
    pub uri: String,
    /// How rows are written.
    pub format: Format,
    /// What is wrapped around them.
    pub compression: Compression,
    /// The days whose rows count; none when all rows do.
    pub days: Option<Arc<CountedDays>>,
    /// Which of day and month dates with slashes name first, where the source says so.
    pub date_order: Option<DateOrder>,
}

/// A manifest that named files of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveredManifest {
    /// The object as it was listed, to be verified unchanged after the files are read.
    pub object: Object,
    /// The rows that it says its files hold.
    pub manifest_row_count: Option<u64>,
    /// The paths of its files.
    pub files: Vec<String>,
}

/// One finished version of an export's period, or one bare file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The export, a partition value: a path below the source, or the export's own name.
    pub export: String,
    /// The billing period of all rows; none for a bare file, which is split by each row's own.
    pub period: Option<Period>,
    /// SHA-256 of the run's id and every file's name, size and etag: equal means nothing new. Of an answer that is still
    /// to be asked for it is what is held now, and the answer decides ([`Delivery::asks`]).
    pub delivery_id: String,
    /// It must be asked for: what it costs, for `plan`. `None` when the delivery id tells whether anything is new.
    pub asks: Option<String>,
    /// Every file of it, in the order of their keys; empty is a valid empty period.
    pub files: Vec<SourceFile>,
    /// The manifests that named the files, of each run one.
    pub manifests: Vec<DeliveredManifest>,
    /// What the manifest says is exported, in the provider's own word: `ActualCost`.
    pub export_type: Option<String>,
    /// The days that its runs hold, of exports that name days.
    pub present_days: Option<PresentDays>,
    /// What a person should know though nothing failed.
    pub warnings: Vec<String>,
}

/// What a source holds now.
#[derive(Debug, Default)]
pub struct Discovery {
    /// In the order of export and period.
    pub deliveries: Vec<Delivery>,
    /// Deliveries that cannot be read; nothing of them is landed, the others are.
    pub failures: Vec<Error>,
    /// Files that were passed over, and the like.
    pub warnings: Vec<String>,
    /// What the source as a whole shows to be unchanged, to be remembered.
    pub cursor: Option<String>,
}

/// Lists a source and sorts its files into deliveries.
///
/// # Errors
/// External when the source cannot be listed; what concerns one delivery is among the failures.
pub async fn discover(location: &Location, kind: SourceKind) -> Result<Discovery> {
    let Listing { objects, unknown } = location.list().await?;
    let mut found = Discovery::default();
    passed_over::note_unknown(location, &unknown, &mut found);
    let named_file = objects.len() == 1 && objects[0].path == location.prefix;
    let visible: Vec<&Object> = objects
        .iter()
        .filter(|object| named_file || !format::is_passed_over(&object.key))
        .collect();

    let mut taken = BTreeSet::new();
    if kind == SourceKind::GcpBillingFiles {
        extracts::from_folders(location, &visible, &mut found);
        unread::note(location, kind, &visible, &mut found);
        passed_over::note_behind_dots(location, kind, &objects, &taken, &mut found);
        return Ok(finished(found, location, kind));
    }
    // A manifest may name files of any format; of the others only those that are usual for the kind are taken.
    let usual: Vec<&Object> = visible
        .iter()
        .copied()
        .filter(|object| unread::is_read(kind, &object.key))
        .collect();
    let reads_manifests = !named_file && !matches!(kind, SourceKind::Activity | SourceKind::Instruments);
    if reads_manifests {
        let (claims, mut runs) = select::from_manifests(location, kind, &objects, &mut found).await;
        runs.extend(loose::from_period_folders(
            location, kind, &usual, &claims, &mut taken,
        ));
        runs::deliver(runs, &mut found);
        taken.extend(claims.files);
    }
    loose::from_bare_files(location, &usual, &taken, &mut found);
    unread::note(location, kind, &visible, &mut found);
    passed_over::note_behind_dots(location, kind, &objects, &taken, &mut found);
    Ok(finished(found, location, kind))
}

/// In order, and with a word when there is nothing.
fn finished(mut found: Discovery, location: &Location, kind: SourceKind) -> Discovery {
    found
        .deliveries
        .sort_by(|a, b| (&a.export, a.period).cmp(&(&b.export, b.period)));
    if found.deliveries.is_empty() && found.failures.is_empty() {
        found.warnings.push(format!(
            "no data file is at {}; {}",
            location.uri(&location.prefix),
            unread::formats(kind)
        ));
    }
    found
}

impl SourceFile {
    /// The file as its name tells it; `None` when it is no data file.
    fn of(location: &Location, object: &Object) -> Option<Self> {
        let (format, compression) = format::of_name(&object.key)?;
        Some(SourceFile {
            object: object.clone(),
            uri: location.uri(&object.path),
            format,
            compression,
            days: None,
            date_order: None,
        })
    }
}

impl Delivery {
    fn new(export: String, period: Option<Period>, run: &str, mut files: Vec<SourceFile>) -> Self {
        files.sort_by(|a, b| a.object.key.cmp(&b.object.key));
        files.dedup_by(|a, b| a.object.path == b.object.path);
        let mut hash = Sha256::new();
        // Every part is closed by a byte that no key holds, so that no two lists read the same.
        let mut add = |part: &str| {
            hash.update(part.as_bytes());
            hash.update([0]);
        };
        add(run);
        for SourceFile { object, .. } in &files {
            add(&object.key);
            add(&object.size.to_string());
            match &object.etag {
                Some(etag) => add(etag),
                None => add(&object.modified.to_rfc3339()),
            }
        }
        let delivery_id = hex(hash);
        Delivery {
            export,
            period,
            delivery_id,
            asks: None,
            files,
            manifests: Vec::new(),
            export_type: None,
            present_days: None,
            warnings: Vec::new(),
        }
    }

    /// The delivery with its dates read in this order: the same files in another order are another delivery.
    #[must_use]
    pub fn with_date_order(mut self, order: Option<DateOrder>) -> Self {
        let Some(order) = order else { return self };
        let mut hash = Sha256::new();
        hash.update(&self.delivery_id);
        hash.update(order.as_str());
        self.delivery_id = hex(hash);
        for file in &mut self.files {
            file.date_order = Some(order);
        }
        self
    }

    /// Whether rows of its slice whose files are gone may have a place beside its own.
    pub fn leaves_room(&self, kind: SourceKind) -> bool {
        match (kind, self.period, &self.present_days) {
            // Every extract holds rows of its own.
            (SourceKind::GcpBillingFiles, ..) => true,
            (_, Some(month), Some(present)) => !present.are_whole(month),
            _ => false,
        }
    }

    /// The same beside landed rows of runs that are gone: of a row of another day than its run nobody can tell whether one
    /// of those holds it too.
    #[must_use]
    pub fn beside_kept_rows(mut self) -> Self {
        if let Some([alone]) = self.present_days.as_ref().map(|present| present.runs.as_slice()) {
            let days = Arc::new(CountedDays {
                with_strays: false,
                ..alone.as_ref().clone()
            });
            for file in &mut self.files {
                file.days = Some(days.clone());
            }
        }
        self
    }

    /// What an API holds under an identity that its connector can tell without reading it.
    pub fn known(uri: &str, export: String, period: Option<Period>, delivery_id: String) -> Self {
        let name = period.map_or(export.clone(), |period| format!("{export}/{period}"));
        let file = SourceFile {
            object: Object::asked(&name),
            uri: format!("{uri}#{name}"),
            format: Format::Json,
            compression: Compression::None,
            days: None,
            date_order: None,
        };
        Delivery {
            export,
            period,
            delivery_id,
            asks: None,
            files: vec![file],
            manifests: Vec::new(),
            export_type: None,
            present_days: None,
            warnings: Vec::new(),
        }
    }

    /// What an API must be asked for to know whether it is new; a fresh answer is not asked for again.
    ///
    /// `cost` says for `plan` what asking takes, such as `about 3 calls, USD 0.03`.
    pub fn answer(uri: &str, export: String, period: Option<Period>, known: &Known, cost: String) -> Self {
        let due = known.is_due(&export, period);
        let held = known
            .checks
            .get(&(export.clone(), period))
            .map(|check| check.delivery_id.clone());
        let mut delivery = Delivery::known(uri, export, period, held.unwrap_or_default());
        delivery.asks = due.then_some(cost);
        delivery
    }
}

fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
