//! Where something went wrong: a key of a closed list and its value.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a place is; reports write it in snake case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlaceKey {
    /// Anything else, such as a file's address: the value says what it is.
    Place,
    /// `TENANT`.
    Tenant,
    /// `TENANT/SOURCE`.
    Source,
    /// `TENANT/SOURCE/EXPORT[/PERIOD]`.
    Slice,
    /// A month.
    Period,
    /// A profile of the configuration.
    Profile,
    /// `SCHEMA.TABLE`, a raw table.
    Table,
    /// `SCHEMA.TABLE`, a model.
    Model,
    /// Partitions of a model's table, as `tenant=acme/month=2026-09`.
    Partition,
    /// A model's file.
    ModelFile,
    /// A delivery's manifest.
    Manifest,
    /// A column.
    Column,
    /// A row of a delivered file, from 1.
    Row,
    /// A line of a file, from 1.
    Line,
    /// A row group of a Parquet file, from 1.
    RowGroup,
}

impl PlaceKey {
    /// The word before the value in a sentence; none where the value speaks for itself.
    fn word(self) -> &'static str {
        match self {
            PlaceKey::Place | PlaceKey::Partition => "",
            PlaceKey::Tenant => "tenant ",
            PlaceKey::Source => "source ",
            PlaceKey::Slice => "slice ",
            PlaceKey::Period => "period ",
            PlaceKey::Profile => "profile ",
            PlaceKey::Table => "table ",
            PlaceKey::Model => "model ",
            PlaceKey::ModelFile => "model file ",
            PlaceKey::Manifest => "manifest ",
            PlaceKey::Column => "column ",
            PlaceKey::Row => "row ",
            PlaceKey::Line => "line ",
            PlaceKey::RowGroup => "row group ",
        }
    }
}

/// One place of an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// What it is.
    pub key: PlaceKey,
    /// Which one.
    pub value: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.key.word(), self.value)
    }
}
