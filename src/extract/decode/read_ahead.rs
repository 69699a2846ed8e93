//! A reader that works on a thread of its own, a few blocks ahead of who takes them.

use std::io::{self, BufRead, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Bytes of a block.
const BLOCK_BYTES: usize = 256 << 10;
/// Blocks that are ready before somebody takes them.
const BLOCKS_AHEAD: usize = 4;

/// Hands out what another thread reads, with its errors; the thread ends with this.
pub struct ReadAhead {
    blocks: Receiver<io::Result<Vec<u8>>>,
    taken: SyncSender<Vec<u8>>,
    block: Vec<u8>,
    position: usize,
    ended: bool,
}

impl ReadAhead {
    /// Begins to read.
    ///
    /// # Errors
    /// The system has no thread left.
    pub fn start(mut inner: Box<dyn BufRead + Send>) -> io::Result<Self> {
        let (sender, blocks) = sync_channel(BLOCKS_AHEAD);
        let (taken, empty) = sync_channel::<Vec<u8>>(BLOCKS_AHEAD + 2);
        std::thread::Builder::new()
            .name("decompress".into())
            .spawn(move || {
                loop {
                    let mut block = empty.try_recv().unwrap_or_default();
                    block.clear();
                    block.reserve(BLOCK_BYTES);
                    let read = inner.by_ref().take(BLOCK_BYTES as u64).read_to_end(&mut block);
                    // What came before a fault is handed out before it; an empty block is the end.
                    let ended = block.is_empty() || read.is_err();
                    if read.is_ok() || !block.is_empty() {
                        let handed = sender.send(Ok(block));
                        if handed.is_err() {
                            return;
                        }
                    }
                    if let Err(error) = read {
                        let _ = sender.send(Err(error));
                    }
                    if ended {
                        return;
                    }
                }
            })?;
        Ok(ReadAhead {
            blocks,
            taken,
            block: Vec::new(),
            position: 0,
            ended: false,
        })
    }
}

impl BufRead for ReadAhead {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.position == self.block.len() {
            if self.ended {
                return Ok(&[]);
            }
            let next = self
                .blocks
                .recv()
                .map_err(|_| io::Error::other("the thread that decompresses stopped"))??;
            self.ended = next.is_empty();
            let block = std::mem::replace(&mut self.block, next);
            self.position = 0;
            // A block too many is simply dropped.
            let _ = self.taken.try_send(block);
        }
        Ok(&self.block[self.position..])
    }

    fn consume(&mut self, count: usize) {
        self.position += count;
    }
}

impl Read for ReadAhead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let block = self.fill_buf()?;
        let count = block.len().min(buffer.len());
        buffer[..count].copy_from_slice(&block[..count]);
        self.consume(count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests;
