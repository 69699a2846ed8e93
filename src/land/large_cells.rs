//! Why rows are rejected for what is too large in them.

/// Why a row is rejected for one of its cells.
pub(super) fn large_cell(bytes: u64, most: u64) -> String {
    format!("the cell has {bytes} bytes, at most {most} are landed (`[landing] max_cell`)")
}

/// Why a row is rejected for the names that tell its key.
pub(super) fn large_key(bytes: u64, most: u64) -> String {
    format!(
        "the names in the row (account, service, region, SKU, unit …) have {bytes} bytes together, at most {most} are landed (`[landing] max_names`)"
    )
}

/// Why a row is rejected for its tags.
pub(super) fn large_tags(bytes: u64, most: u64) -> String {
    format!("the tags have {bytes} bytes, at most {most} are landed (four times `[landing] max_names`)")
}
