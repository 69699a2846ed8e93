//! Which kinds of pages a column chunk holds, as readers find it in the footer.

use datafusion::parquet::basic::{Encoding, PageType};
use datafusion::parquet::file::metadata::PageEncodingStats;

/// Counts one more page.
pub fn count_page(kinds: &mut Vec<PageEncodingStats>, page_type: PageType, encoding: Encoding) {
    let same = |kind: &&mut PageEncodingStats| kind.page_type == page_type && kind.encoding == encoding;
    match kinds.iter_mut().find(same) {
        Some(kind) => kind.count += 1,
        None => kinds.push(PageEncodingStats {
            page_type,
            encoding,
            count: 1,
        }),
    }
}
