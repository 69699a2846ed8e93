//! Parquet's hybrid of repeated and bit-packed runs of small integers.

use bytes::Bytes;

/// One run.
#[derive(Debug, Clone, Copy)]
pub enum Run<'a> {
    /// The same value again and again.
    Repeated(u32, usize),
    /// Values of a fixed width, the lowest bits first.
    Packed(&'a [u8], usize),
}

/// Takes the next run off the bytes; `None` when they end before it or make no sense.
pub fn next_run<'a>(bytes: &mut &'a [u8], width: u32) -> Option<Run<'a>> {
    if width > 32 {
        return None;
    }
    let header = varint(bytes)?;
    let count = usize::try_from(header >> 1).ok().filter(|count| *count > 0)?;
    if header & 1 == 1 {
        let packed = bytes.split_off(..count.checked_mul(width as usize)?)?;
        return Some(Run::Packed(packed, count.checked_mul(8)?));
    }
    let value = bytes.split_off(..(width as usize).div_ceil(8))?;
    let mut whole = [0u8; 4];
    whole[..value.len()].copy_from_slice(value);
    Some(Run::Repeated(u32::from_le_bytes(whole), count))
}

/// The header of a run that repeats its value.
pub fn run_header(count: u32) -> Vec<u8> {
    let mut left = u64::from(count) << 1;
    let mut bytes = Vec::new();
    while left >= 0x80 {
        bytes.push(left as u8 | 0x80);
        left >>= 7;
    }
    bytes.push(left as u8);
    bytes
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..35).step_by(7) {
        let byte = *bytes.split_off_first()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Bytes that eight values of up to 32 bits may be read from with whole words.
const ROOM: usize = 40;

/// Eight packed values from `first` on, a multiple of eight; `None` beyond the end.
pub fn eight(packed: &[u8], width: u32, first: usize) -> Option<[u32; 8]> {
    let from = first / 8 * width as usize;
    match packed.get(from..)?.first_chunk::<ROOM>() {
        Some(room) => Some(unpacked(room, width as usize)),
        None => {
            let rest = packed.get(from..from + width as usize)?;
            let mut room = [0u8; ROOM];
            room[..rest.len()].copy_from_slice(rest);
            Some(unpacked(&room, width as usize))
        }
    }
}

#[inline]
fn word(room: &[u8; ROOM], at: usize) -> u64 {
    let mut word = [0u8; 8];
    word.copy_from_slice(&room[at..at + 8]);
    u64::from_le_bytes(word)
}

#[inline]
fn unpacked(room: &[u8; ROOM], width: usize) -> [u32; 8] {
    match width {
        ..=8 => narrow(room, width),
        9..=16 => middle(room, width),
        _ => wide(room, width),
    }
}

/// Eight values in one word.
#[inline]
fn narrow(room: &[u8; ROOM], width: usize) -> [u32; 8] {
    let (all, mask) = (word(room, 0), (1u64 << width) - 1);
    std::array::from_fn(|place| (all >> (place * width) & mask) as u32)
}

/// Four values in a word; the second four begin at a byte or in the middle of one.
#[inline]
fn middle(room: &[u8; ROOM], width: usize) -> [u32; 8] {
    let mask = (1u64 << width) - 1;
    let halves = [word(room, 0), word(room, width / 2) >> (width % 2 * 4)];
    std::array::from_fn(|place| (halves[place / 4] >> (place % 4 * width) & mask) as u32)
}

#[inline]
fn wide(room: &[u8; ROOM], width: usize) -> [u32; 8] {
    let mask = (1u64 << width) - 1;
    std::array::from_fn(|place| {
        let bit = place * width;
        (word(room, bit / 8) >> (bit % 8) & mask) as u32
    })
}

/// Runs that are taken piece by piece.
pub struct Runs {
    bytes: Bytes,
    width: u32,
    /// Where the next run begins.
    at: usize,
    current: Current,
}

enum Current {
    Repeated {
        value: u32,
        left: usize,
    },
    /// Packed values between two offsets, of which some are taken.
    Packed {
        from: usize,
        to: usize,
        taken: usize,
        held: usize,
    },
}

impl Runs {
    /// Values of `width` bits.
    pub fn new(bytes: Bytes, width: u32) -> Runs {
        let current = Current::Repeated { value: 0, left: 0 };
        Runs {
            bytes,
            width,
            at: 0,
            current,
        }
    }

    /// Takes the next run up when the current one is used up; `None` at the end.
    fn advance(&mut self) -> Option<()> {
        let is_over = match self.current {
            Current::Repeated { left, .. } => left == 0,
            Current::Packed { taken, held, .. } => taken == held,
        };
        if !is_over {
            return Some(());
        }
        let mut rest = self.bytes.get(self.at..)?;
        let run = next_run(&mut rest, self.width)?;
        self.at = self.bytes.len() - rest.len();
        self.current = match run {
            Run::Repeated(value, left) => Current::Repeated { value, left },
            Run::Packed(packed, held) => Current::Packed {
                from: self.at - packed.len(),
                to: self.at,
                taken: 0,
                held,
            },
        };
        Some(())
    }

    /// Takes `count` values when they are one and the same and lie in one run.
    pub fn repeated(&mut self, count: usize) -> Option<u32> {
        self.advance()?;
        match &mut self.current {
            Current::Repeated { value, left } if *left >= count => {
                *left -= count;
                Some(*value)
            }
            _ => None,
        }
    }

    /// Takes as many values as there is room for; `None` when there are fewer.
    pub fn fill(&mut self, mut room: &mut [u32]) -> Option<()> {
        while !room.is_empty() {
            self.advance()?;
            match &mut self.current {
                Current::Repeated { value, left } => {
                    let now = room.split_off_mut(..(*left).min(room.len()))?;
                    now.fill(*value);
                    *left -= now.len();
                }
                Current::Packed {
                    from,
                    to,
                    taken,
                    held,
                } => {
                    let now = room.split_off_mut(..(*held - *taken).min(room.len()))?;
                    unpack(self.bytes.get(*from..*to)?, self.width, *taken, now)?;
                    *taken += now.len();
                }
            }
        }
        Some(())
    }
}

/// Packed values from `first` on.
fn unpack(packed: &[u8], width: u32, first: usize, room: &mut [u32]) -> Option<()> {
    if width == 0 {
        room.fill(0);
        return Some(());
    }
    let misplaced = first % 8;
    let (front, rest) = room.split_at_mut(((8 - misplaced) % 8).min(room.len()));
    if !front.is_empty() {
        let values = eight(packed, width, first - misplaced)?;
        front.copy_from_slice(&values[misplaced..misplaced + front.len()]);
    }
    let mut next = first + front.len();
    let (groups, last) = rest.as_chunks_mut::<8>();
    let count = groups.len() * 8;
    match width {
        ..=8 => unpack_groups(packed, width, next, groups, narrow)?,
        9..=16 => unpack_groups(packed, width, next, groups, middle)?,
        _ => unpack_groups(packed, width, next, groups, wide)?,
    }
    next += count;
    if !last.is_empty() {
        last.copy_from_slice(&eight(packed, width, next)?[..last.len()]);
    }
    Some(())
}

/// Whole groups of eight.
fn unpack_groups(
    packed: &[u8],
    width: u32,
    first: usize,
    groups: &mut [[u32; 8]],
    unpack_eight: impl Fn(&[u8; ROOM], usize) -> [u32; 8],
) -> Option<()> {
    let mut from = first / 8 * width as usize;
    for (place, group) in groups.iter_mut().enumerate() {
        // All but the last few groups have whole words after them.
        *group = match packed.get(from..)?.first_chunk::<ROOM>() {
            Some(room) => unpack_eight(room, width as usize),
            None => eight(packed, width, first + place * 8)?,
        };
        from += width as usize;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Writes values as Parquet does: whole groups of eight packed, or repeated.
    fn written(values: &[(Vec<u32>, usize)], width: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        let header = |mut value: usize, bytes: &mut Vec<u8>| {
            while value >= 0x80 {
                bytes.push(value as u8 | 0x80);
                value >>= 7;
            }
            bytes.push(value as u8);
        };
        for (packed, repeats) in values {
            if *repeats > 0 {
                header(repeats << 1, &mut bytes);
                bytes.extend_from_slice(&packed[0].to_le_bytes()[..(width as usize).div_ceil(8)]);
                continue;
            }
            header(((packed.len() / 8) << 1) | 1, &mut bytes);
            let mut bits = vec![0u8; packed.len() * width as usize / 8];
            for (place, value) in packed.iter().enumerate() {
                for bit in 0..width as usize {
                    let at = place * width as usize + bit;
                    bits[at / 8] |= ((value >> bit & 1) as u8) << (at % 8);
                }
            }
            bytes.extend_from_slice(&bits);
        }
        bytes
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_in_pieces_of_any_size(
            width in 1u32..=32,
            seeds in prop::collection::vec((prop::collection::vec(any::<u32>(), 1..5), 0usize..40), 1..6),
            pieces in prop::collection::vec(1usize..30, 1..60),
        ) {
            let mask = ((1u64 << width) - 1) as u32;
            let runs: Vec<(Vec<u32>, usize)> = seeds
                .into_iter()
                .map(|(seeds, repeats)| {
                    let packed = (0..seeds.len() * 8).map(|n| seeds[n % seeds.len()].rotate_left(n as u32) & mask);
                    (packed.collect(), repeats)
                })
                .collect();
            let expected: Vec<u32> = runs
                .iter()
                .flat_map(|(packed, repeats)| match repeats {
                    0 => packed.clone(),
                    _ => vec![packed[0]; *repeats],
                })
                .collect();
            let mut reader = Runs::new(written(&runs, width).into(), width);
            let mut read = Vec::new();
            for size in pieces.iter().cycle() {
                let size = (*size).min(expected.len() - read.len());
                if size == 0 {
                    break;
                }
                match reader.repeated(size) {
                    Some(value) => read.extend(std::iter::repeat_n(value, size)),
                    None => {
                        let start = read.len();
                        read.resize(start + size, 0);
                        reader.fill(&mut read[start..]).unwrap();
                    }
                }
            }
            prop_assert_eq!(read, expected);
            prop_assert_eq!(reader.fill(&mut [0]), None);
        }

        #[test]
        fn damaged_bytes_end_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..60), width in 0u32..40) {
            let mut runs = Runs::new(bytes.into(), width);
            let mut room = [0; 700];
            let _ = runs.fill(&mut room);
        }
    }
}
