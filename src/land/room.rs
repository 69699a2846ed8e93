//! The memory that files which are read at the same time share.

use tokio::sync::{Semaphore, SemaphorePermit};

/// Bytes that all of them may take together.
const ROOM_BYTES: u64 = 512 << 20;
/// Bytes of a share.
const SHARE_BYTES: u64 = 1 << 20;

/// Hands out shares of the memory; who asks for more than there is gets all of it, alone.
pub struct Room(Semaphore);

impl Default for Room {
    fn default() -> Self {
        Room(Semaphore::new((ROOM_BYTES / SHARE_BYTES) as usize))
    }
}

impl Room {
    /// Waits for so many bytes; they are given back when the answer is dropped.
    pub async fn take(&self, bytes: u64) -> Option<SemaphorePermit<'_>> {
        let shares = bytes.min(ROOM_BYTES).div_ceil(SHARE_BYTES);
        self.0.acquire_many(u32::try_from(shares).ok()?).await.ok()
    }
}
