use super::*;

/// Text of a length, then an error or the end.
struct Source {
    left: usize,
    fault: Option<io::Error>,
    _alive: std::sync::mpsc::Sender<()>,
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return self.fault.take().map_or(Ok(0), Err);
        }
        let count = buffer.len().min(self.left).min(1000);
        buffer[..count].fill(b'x');
        self.left -= count;
        Ok(count)
    }
}

fn start(left: usize, fault: Option<io::Error>) -> (ReadAhead, Receiver<()>) {
    let (alive, ended) = std::sync::mpsc::channel();
    let source = Source {
        left,
        fault,
        _alive: alive,
    };
    let reader = ReadAhead::start(Box::new(io::BufReader::new(source))).unwrap();
    (reader, ended)
}

#[test]
fn everything_comes_in_order_and_faults_come_last() {
    for length in [0, 1, BLOCK_BYTES, 20 * BLOCK_BYTES + 17] {
        let mut text = Vec::new();
        start(length, None).0.read_to_end(&mut text).unwrap();
        assert_eq!(text.len(), length);
        let fault = io::Error::new(io::ErrorKind::InvalidData, "broken");
        let mut text = Vec::new();
        let error = start(length, Some(fault)).0.read_to_end(&mut text).unwrap_err();
        assert_eq!(error.to_string(), "broken");
        assert_eq!(text.len(), length);
    }
}

#[test]
fn the_thread_ends_with_its_reader() {
    let (mut reader, ended) = start(usize::MAX, None);
    reader.read_exact(&mut [0; 10]).unwrap();
    drop(reader);
    assert!(ended.recv().is_err(), "the source is dropped");
}
