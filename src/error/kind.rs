//! What kind of failure: a closed list that programs decide by, and whose move each is.

use serde::{Deserialize, Serialize};

/// What a failure means for the exit code: whose move it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Blame {
    /// A bug in this program (exit 1).
    Internal,
    /// The command line or the configuration (exit 2).
    Usage,
    /// The data: a failed audit, rejected rows, a truncated or hostile file (exit 3).
    Data,
    /// Something outside: network, credentials, a missing or changed file, a full disk (exit 4).
    External,
}

impl Blame {
    /// The process exit code of `docs/operations.md`.
    pub fn exit_code(self) -> u8 {
        match self {
            Blame::Internal => 1,
            Blame::Usage => 2,
            Blame::Data => 3,
            Blame::External => 4,
        }
    }
}

/// What kind of failure it is, for those who decide by it; reports write it in snake case. New kinds are added at the end of
/// their group, and none is renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// A bug in this program.
    Internal,
    /// The command line or the configuration, in any other way than the following.
    Usage,
    /// A query or a model that cannot be planned.
    InvalidSql,
    /// The data, in any other way than the following.
    Data,
    /// More rows of a slice break the contract than it may land without.
    RejectedRows,
    /// An audit of a model found offending rows.
    FailedAudit,
    /// A delivered file exceeds a limit of `[landing]`.
    ExceededLimit,
    /// Something outside, in any other way than the following.
    External,
    /// The engine's memory limit or its spill space is used up.
    OutOfMemory,
    /// A store, a folder or a service refuses access.
    AccessRefused,
    /// An object that was named is not there.
    MissingObject,
    /// No space is left to write to.
    StorageFull,
    /// A table's log cannot be read.
    DamagedTable,
    /// Another run writes to the warehouse.
    WarehouseInUse,
    /// An executor of the cluster was lost with its part of the work.
    LostWork,
}

impl ErrorKind {
    /// Whose move it is.
    pub fn blame(self) -> Blame {
        match self {
            ErrorKind::Internal => Blame::Internal,
            ErrorKind::Usage | ErrorKind::InvalidSql => Blame::Usage,
            ErrorKind::Data | ErrorKind::RejectedRows | ErrorKind::FailedAudit | ErrorKind::ExceededLimit => {
                Blame::Data
            }
            ErrorKind::External
            | ErrorKind::OutOfMemory
            | ErrorKind::AccessRefused
            | ErrorKind::MissingObject
            | ErrorKind::StorageFull
            | ErrorKind::DamagedTable
            | ErrorKind::WarehouseInUse
            | ErrorKind::LostWork => Blame::External,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What readers of reports decide by must not change with a name in the code.
    #[test]
    fn kinds_are_written_as_the_page_of_operations_lists_them() {
        let page = include_str!("../../docs/operations.md");
        let kinds = [
            ErrorKind::Internal,
            ErrorKind::Usage,
            ErrorKind::InvalidSql,
            ErrorKind::Data,
            ErrorKind::RejectedRows,
            ErrorKind::FailedAudit,
            ErrorKind::ExceededLimit,
            ErrorKind::External,
            ErrorKind::OutOfMemory,
            ErrorKind::AccessRefused,
            ErrorKind::MissingObject,
            ErrorKind::StorageFull,
            ErrorKind::DamagedTable,
            ErrorKind::WarehouseInUse,
            ErrorKind::LostWork,
        ];
        for kind in kinds {
            let written = serde_json::to_value(kind).unwrap();
            let written = format!("`{}`", written.as_str().unwrap());
            assert!(page.contains(&written), "{written}");
        }
    }
}
