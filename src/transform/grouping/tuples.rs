//! Distinct combinations of codes, numbered in the order in which they were met.

use std::ops::Range;

use hashbrown::HashTable;

const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;
/// Bits of a lane.
const LANE: u32 = u64::BITS;
/// Combinations of so few bits are their own place in the table.
const DIRECT_BITS: u32 = 16;
/// Rows that are looked up side by side: the memory they need is fetched at once instead of one by one.
const BLOCK: usize = 128;

/// The distinct tuples of some codes.
///
/// As long as the codes of a tuple fit into two words side by side they are compared as these. Each column has as many bits
/// as its largest code needs; when a column outgrows them, all are packed anew.
pub struct Tuples {
    width: usize,
    bits: Vec<u32>,
    count: usize,
    known: Known,
}

enum Known {
    Packed(Packed),
    /// Used once the codes do not fit any more.
    Wide(Wide),
}

/// Tuples of at most two words.
#[derive(Default)]
struct Packed {
    /// By column: its word and its first bit there.
    layout: Vec<(usize, u32)>,
    /// By tuple.
    keys: Vec<[u64; 2]>,
    /// By hash, or by the key itself while `is_direct`: a tuple's number plus one, or 0.
    slots: Vec<u32>,
    is_direct: bool,
    /// The words of the rows at hand, the first ones and the second ones.
    rows: [Vec<u64>; 2],
}

/// Tuples of any size.
struct Wide {
    codes: Vec<u32>,
    table: HashTable<u32>,
    hashes: Vec<u64>,
}

/// One hash per row over all columns of codes.
fn hashes(columns: &[&[u32]], rows: usize) -> Vec<u64> {
    let mut hashes = vec![0u64; rows];
    for column in columns {
        for (hash, code) in hashes.iter_mut().zip(*column) {
            *hash = (hash.rotate_left(23) ^ u64::from(*code)).wrapping_mul(SPREAD);
        }
    }
    // The table takes its bits from both ends.
    hashes.iter_mut().for_each(|hash| *hash ^= *hash >> 29);
    hashes
}

/// The bits that any of some codes has, and those that all have: the same when there is but one code.
#[derive(Clone, Copy)]
struct Span {
    any: u32,
    all: u32,
}

impl Span {
    fn of(codes: &[u32]) -> Span {
        let none = Span {
            any: 0,
            all: u32::MAX,
        };
        codes.iter().fold(none, |span, code| Span {
            any: span.any | code,
            all: span.all & code,
        })
    }

    fn bits(self) -> u32 {
        u32::BITS - self.any.leading_zeros()
    }

    fn is_one_code(self) -> bool {
        self.any == self.all
    }
}

/// Where each column lies in two words; `None` when they do not fit.
fn laid_out(bits: &[u32]) -> Option<Vec<(usize, u32)>> {
    let mut used = [0; 2];
    bits.iter()
        .map(|bits| {
            let lane = used.iter().position(|used| used + bits <= LANE)?;
            used[lane] += bits;
            Some((lane, used[lane] - bits))
        })
        .collect()
}

fn code_in(key: &[u64; 2], place: (usize, u32), bits: u32) -> u32 {
    match bits {
        0 => 0,
        _ => (key[place.0] >> place.1 & ((1 << bits) - 1)) as u32,
    }
}

impl Tuples {
    /// No tuple yet.
    pub fn new(width: usize) -> Tuples {
        Tuples {
            width,
            bits: vec![0; width],
            count: 0,
            known: Known::Packed(Packed {
                layout: vec![(0, 0); width],
                ..Packed::default()
            }),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Memory in bytes.
    pub fn size(&self) -> usize {
        match &self.known {
            Known::Packed(packed) => {
                packed.keys.capacity() * 16 + packed.rows[0].capacity() * 16 + packed.slots.capacity() * 4
            }
            Known::Wide(wide) => {
                wide.codes.capacity() * 4 + wide.hashes.capacity() * 8 + wide.table.capacity() * 5
            }
        }
    }

    /// One column of codes of some tuples.
    pub fn column(&self, column: usize, tuples: Range<usize>) -> Vec<u32> {
        match &self.known {
            Known::Packed(packed) => {
                let (place, bits) = (packed.layout[column], self.bits[column]);
                packed.keys[tuples]
                    .iter()
                    .map(|key| code_in(key, place, bits))
                    .collect()
            }
            Known::Wide(wide) => tuples.map(|t| wide.codes[t * self.width + column]).collect(),
        }
    }

    /// The number of each row's tuple, of columns that stand side by side; new tuples are added.
    pub fn number(&mut self, columns: &[&[u32]], rows: usize) -> Vec<u32> {
        if rows == 0 {
            return Vec::new();
        }
        let spans: Vec<Span> = columns.iter().map(|codes| Span::of(codes)).collect();
        self.widen(&spans);
        let numbers = match &mut self.known {
            Known::Packed(packed) => packed.number(&self.bits, columns, &spans, rows),
            Known::Wide(wide) => wide.number(columns, rows),
        };
        self.count = match &self.known {
            Known::Packed(packed) => packed.keys.len(),
            Known::Wide(wide) => wide.hashes.len(),
        };
        numbers
    }

    /// Gives each column the bits that its codes need now.
    fn widen(&mut self, spans: &[Span]) {
        let Known::Packed(packed) = &mut self.known else {
            return;
        };
        let before = self.bits.clone();
        for (bits, span) in self.bits.iter_mut().zip(spans) {
            *bits = span.bits().max(*bits);
        }
        if before == self.bits {
            return;
        }
        match laid_out(&self.bits) {
            Some(layout) => packed.move_to(layout, &before, self.bits.iter().sum()),
            None => {
                let all: Vec<Vec<u32>> = (0..self.width)
                    .map(|column| {
                        let place = packed.layout[column];
                        packed
                            .keys
                            .iter()
                            .map(|key| code_in(key, place, before[column]))
                            .collect()
                    })
                    .collect();
                let all: Vec<&[u32]> = all.iter().map(Vec::as_slice).collect();
                let mut wide = Wide {
                    codes: Vec::new(),
                    table: HashTable::new(),
                    hashes: Vec::new(),
                };
                wide.number(&all, self.count);
                self.known = Known::Wide(wide);
            }
        }
    }
}

impl Packed {
    fn number(&mut self, bits: &[u32], columns: &[&[u32]], spans: &[Span], rows: usize) -> Vec<u32> {
        // What all rows have in common, and columns in which they differ.
        let mut same = [0u64; 2];
        let mut differing = Vec::with_capacity(columns.len());
        for (place, span) in spans.iter().enumerate().filter(|(place, _)| bits[*place] > 0) {
            let (lane, shift) = self.layout[place];
            match span.is_one_code() {
                true => same[lane] |= u64::from(span.any) << shift,
                false => differing.push((columns[place], lane, shift)),
            }
        }
        if differing.is_empty() {
            self.make_room(1);
            return vec![self.find_or_add(&same); rows];
        }
        let mut words = std::mem::take(&mut self.rows);
        for lane in &mut words {
            lane.clear();
            lane.resize(rows, 0);
        }
        for (column, lane, shift) in differing {
            for (word, code) in words[lane].iter_mut().zip(column) {
                *word |= u64::from(*code) << shift;
            }
        }
        let mut numbers = Vec::with_capacity(rows);
        let mut keys = [[0u64; 2]; BLOCK];
        let mut found = [0u32; BLOCK];
        for (first, second) in words[0].chunks(BLOCK).zip(words[1].chunks(BLOCK)) {
            let keys = &mut keys[..first.len()];
            for (key, (first, second)) in keys.iter_mut().zip(first.iter().zip(second)) {
                *key = [first | same[0], second | same[1]];
            }
            self.make_room(keys.len());
            if self.is_direct {
                for key in keys.iter() {
                    numbers.push(match self.slots[key[0] as usize].checked_sub(1) {
                        Some(number) => number,
                        None => self.find_or_add(key),
                    });
                }
                continue;
            }
            let shift = self.shift();
            for (found, key) in found.iter_mut().zip(keys.iter()) {
                *found = self.slots[(hash_of(key) >> shift) as usize];
            }
            for (found, key) in found.iter().zip(keys.iter()) {
                let number = match (*found as usize).checked_sub(1) {
                    Some(number) if self.keys[number] == *key => number as u32,
                    _ => self.find_or_add(key),
                };
                numbers.push(number);
            }
        }
        self.rows = words;
        numbers
    }

    /// How far a hash is shifted to be a place among the slots.
    fn shift(&self) -> u32 {
        u64::BITS - self.slots.len().trailing_zeros()
    }

    /// The place where the search for a key begins.
    fn place_of(&self, key: &[u64; 2]) -> usize {
        match self.is_direct {
            true => key[0] as usize,
            false => (hash_of(key) >> self.shift()) as usize,
        }
    }

    fn find_or_add(&mut self, key: &[u64; 2]) -> u32 {
        let mut slot = self.place_of(key);
        loop {
            match (self.slots[slot] as usize).checked_sub(1) {
                Some(number) if self.keys[number] == *key => return number as u32,
                Some(_) => slot = (slot + 1) & (self.slots.len() - 1),
                None => {
                    self.keys.push(*key);
                    self.slots[slot] = self.keys.len() as u32;
                    return self.keys.len() as u32 - 1;
                }
            }
        }
    }

    /// Makes sure that at most half of the slots are taken when as many tuples more have come.
    fn make_room(&mut self, more: usize) {
        let wanted = ((self.keys.len() + more) * 2).next_power_of_two().max(2 * BLOCK);
        if !self.is_direct && self.slots.len() < wanted {
            // Growing fourfold keeps the tables that are filled anew few.
            self.fill(wanted * 2);
        }
    }

    /// Puts all tuples into as many slots.
    fn fill(&mut self, slots: usize) {
        self.slots.clear();
        self.slots.resize(slots, 0);
        for number in 0..self.keys.len() {
            let mut slot = self.place_of(&self.keys[number]);
            while self.slots[slot] != 0 {
                slot = (slot + 1) & (slots - 1);
            }
            self.slots[slot] = number as u32 + 1;
        }
    }

    /// Packs all tuples anew; `before` are the bits that their codes had, `bits` those that they have now in all.
    fn move_to(&mut self, layout: Vec<(usize, u32)>, before: &[u32], bits: u32) {
        for key in &mut self.keys {
            let mut moved = [0; 2];
            for ((from, to), bits) in self.layout.iter().zip(&layout).zip(before) {
                moved[to.0] |= match bits {
                    0 => 0,
                    _ => u64::from(code_in(key, *from, *bits)) << to.1,
                };
            }
            *key = moved;
        }
        self.layout = layout;
        self.is_direct = bits <= DIRECT_BITS;
        let slots = match self.is_direct {
            true => 1 << bits,
            false => (self.keys.len() * 2).next_power_of_two().max(2 * BLOCK),
        };
        self.fill(slots);
    }
}

fn hash_of(key: &[u64; 2]) -> u64 {
    let folded = key[0].wrapping_mul(SPREAD) ^ key[1].wrapping_mul(SPREAD.rotate_left(31));
    (folded ^ folded >> 32).wrapping_mul(SPREAD)
}

impl Wide {
    fn number(&mut self, columns: &[&[u32]], rows: usize) -> Vec<u32> {
        let mut numbers = Vec::with_capacity(rows);
        let width = columns.len();
        for (row, hash) in hashes(columns, rows).into_iter().enumerate() {
            let codes = &self.codes;
            let same = |tuple: &u32| {
                let start = *tuple as usize * width;
                let known = &codes[start..start + width];
                known
                    .iter()
                    .zip(columns)
                    .all(|(code, column)| *code == column[row])
            };
            let number = match self.table.find(hash, same) {
                Some(number) => *number,
                None => {
                    let number = self.hashes.len() as u32;
                    self.codes.extend(columns.iter().map(|column| column[row]));
                    self.hashes.push(hash);
                    let known = &self.hashes;
                    self.table.insert_unique(hash, number, |n| known[*n as usize]);
                    number
                }
            };
            numbers.push(number);
        }
        numbers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(tuples: &mut Tuples, columns: &[Vec<u32>], rows: usize) -> Vec<u32> {
        tuples.number(&columns.iter().map(Vec::as_slice).collect::<Vec<_>>(), rows)
    }

    #[test]
    fn equal_rows_have_one_number() {
        let mut tuples = Tuples::new(2);
        let numbers = number(&mut tuples, &[vec![1, 2, 1, 1], vec![7, 7, 7, 8]], 4);
        assert_eq!(numbers, [0, 1, 0, 2]);
        assert_eq!(number(&mut tuples, &[vec![2], vec![7]], 1), [1]);
        assert_eq!(tuples.column(1, 1..3), [7, 8]);
    }

    #[test]
    fn numbers_stay_while_codes_outgrow_their_bits_and_two_words() {
        let mut tuples = Tuples::new(5);
        let mut rows: Vec<Vec<u32>> = Vec::new();
        for largest in [1, 200, 70_000, u32::MAX] {
            rows.push(vec![largest, 0, largest, 1, largest]);
            rows.push(vec![largest, largest, 0, 2, largest]);
        }
        for (expected, row) in rows.iter().enumerate() {
            let columns: Vec<Vec<u32>> = row.iter().map(|code| vec![*code]).collect();
            assert_eq!(number(&mut tuples, &columns, 1), [expected as u32]);
        }
        assert!(matches!(tuples.known, Known::Wide(_)));
        let columns: Vec<Vec<u32>> = (0..5).map(|c| rows.iter().map(|row| row[c]).collect()).collect();
        assert_eq!(
            number(&mut tuples, &columns, rows.len()),
            (0..rows.len() as u32).collect::<Vec<_>>()
        );
        for (place, column) in columns.iter().enumerate() {
            assert_eq!(&tuples.column(place, 0..rows.len()), column);
        }
    }

    #[test]
    fn many_tuples_keep_their_numbers_while_the_table_grows() {
        let mut tuples = Tuples::new(3);
        let columns = |from: u32| {
            let rows = from..from + 3_000;
            let hashed = rows.clone().map(|n| n.wrapping_mul(2_654_435_761));
            [
                rows.clone().map(|n| n / 7).collect(),
                hashed.collect(),
                rows.map(|n| n % 2).collect(),
            ]
        };
        for from in [0, 1_500, 3_000, 40_000] {
            let numbers = number(&mut tuples, &columns(from), 3_000);
            let distinct: std::collections::BTreeSet<u32> = numbers.iter().copied().collect();
            assert_eq!(distinct.len(), 3_000);
            assert_eq!(number(&mut tuples, &columns(from), 3_000), numbers);
        }
        assert_eq!(tuples.len(), 9_000);
        assert_eq!(
            number(&mut tuples, &columns(0), 3_000),
            (0..3_000).collect::<Vec<_>>()
        );
    }

    #[test]
    fn no_column_is_one_tuple() {
        let mut tuples = Tuples::new(0);
        assert_eq!(number(&mut tuples, &[], 3), [0, 0, 0]);
        assert_eq!(tuples.len(), 1);
    }
}
