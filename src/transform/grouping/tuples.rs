//! Distinct combinations of codes, numbered in the order in which they were met.

use hashbrown::HashTable;

const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;
const BITS: u32 = 128;

/// The distinct tuples of some codes.
///
/// As long as the codes of a tuple fit into 128 bits side by side they are compared as one number that lies in the table
/// itself. Each column has as many bits as its largest code needs; when a column outgrows them, all are packed anew.
pub struct Tuples {
    width: usize,
    codes: Vec<u32>,
    bits: Vec<u32>,
    count: usize,
    packed: Option<HashTable<(u128, u32)>>,
    /// Used once the codes do not fit any more.
    wide: HashTable<u32>,
    wide_hashes: Vec<u64>,
}

fn hash_of(key: u128) -> u64 {
    let folded =
        (key as u64).wrapping_mul(SPREAD) ^ ((key >> 64) as u64).wrapping_mul(SPREAD.rotate_left(31));
    folded.wrapping_mul(SPREAD) ^ (folded >> 32)
}

/// One hash per row over all columns of codes.
fn hashes(columns: &[Vec<u32>], rows: usize) -> Vec<u64> {
    let mut hashes = vec![0u64; rows];
    for column in columns {
        for (hash, code) in hashes.iter_mut().zip(column) {
            *hash = (hash.rotate_left(23) ^ u64::from(*code)).wrapping_mul(SPREAD);
        }
    }
    // The table takes its bits from both ends.
    hashes.iter_mut().for_each(|hash| *hash ^= *hash >> 29);
    hashes
}

fn needed(largest: u32) -> u32 {
    u32::BITS - largest.leading_zeros()
}

impl Tuples {
    /// No tuple yet.
    pub fn new(width: usize) -> Tuples {
        Tuples {
            width,
            codes: Vec::new(),
            bits: vec![0; width],
            count: 0,
            packed: Some(HashTable::new()),
            wide: HashTable::new(),
            wide_hashes: Vec::new(),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Memory in bytes.
    pub fn size(&self) -> usize {
        self.codes.capacity() * 4
            + self.wide_hashes.capacity() * 8
            + self.wide.capacity() * 5
            + self.packed.as_ref().map_or(0, |packed| packed.capacity() * 33)
    }

    /// The codes of a tuple.
    pub fn get(&self, tuple: u32) -> &[u32] {
        let start = tuple as usize * self.width;
        &self.codes[start..start + self.width]
    }

    /// One column of codes of all tuples from `first` on.
    pub fn column(&self, column: usize, first: usize) -> Vec<u32> {
        (first..self.count)
            .map(|t| self.codes[t * self.width + column])
            .collect()
    }

    /// The number of each row's tuple, of columns that stand side by side; new tuples are added.
    pub fn number(&mut self, columns: &[Vec<u32>], rows: usize) -> Vec<u32> {
        self.widen(columns);
        let mut numbers = Vec::with_capacity(rows);
        let Some(mut table) = self.packed.take() else {
            self.number_wide(columns, rows, &mut numbers);
            return numbers;
        };
        let mut keys = vec![0u128; rows];
        let mut shift = 0;
        for (column, bits) in columns.iter().zip(&self.bits) {
            if *bits > 0 {
                for (key, code) in keys.iter_mut().zip(column) {
                    *key |= u128::from(*code) << shift;
                }
                shift += bits;
            }
        }
        for (row, key) in keys.into_iter().enumerate() {
            let hash = hash_of(key);
            let number = match table.find(hash, |known| known.0 == key) {
                Some(known) => known.1,
                None => {
                    let number = self.add(columns, row);
                    table.insert_unique(hash, (key, number), |known| hash_of(known.0));
                    number
                }
            };
            numbers.push(number);
        }
        self.packed = Some(table);
        numbers
    }

    fn add(&mut self, columns: &[Vec<u32>], row: usize) -> u32 {
        let number = self.count as u32;
        self.codes.extend(columns.iter().map(|column| column[row]));
        self.count += 1;
        number
    }

    /// Gives each column the bits that its codes need now.
    fn widen(&mut self, columns: &[Vec<u32>]) {
        if self.packed.is_none() {
            return;
        }
        let mut grown = false;
        for (bits, column) in self.bits.iter_mut().zip(columns) {
            let needed = needed(column.iter().copied().max().unwrap_or(0));
            if needed > *bits {
                *bits = needed;
                grown = true;
            }
        }
        if !grown {
            return;
        }
        if self.bits.iter().sum::<u32>() > BITS {
            self.packed = None;
            let all: Vec<Vec<u32>> = (0..self.width).map(|c| self.column(c, 0)).collect();
            self.wide_hashes = hashes(&all, self.count);
            let known = &self.wide_hashes;
            for (number, hash) in known.iter().enumerate() {
                self.wide
                    .insert_unique(*hash, number as u32, |n| known[*n as usize]);
            }
            return;
        }
        let mut table = HashTable::with_capacity(self.count);
        for number in 0..self.count as u32 {
            let (mut key, mut shift) = (0u128, 0);
            for (code, bits) in self.get(number).iter().zip(&self.bits) {
                if *bits > 0 {
                    key |= u128::from(*code) << shift;
                    shift += bits;
                }
            }
            table.insert_unique(hash_of(key), (key, number), |known: &(u128, u32)| {
                hash_of(known.0)
            });
        }
        self.packed = Some(table);
    }

    fn number_wide(&mut self, columns: &[Vec<u32>], rows: usize, numbers: &mut Vec<u32>) {
        for (row, hash) in hashes(columns, rows).into_iter().enumerate() {
            let (codes, width) = (&self.codes, self.width);
            let same = |tuple: &u32| {
                let start = *tuple as usize * width;
                codes[start..start + width]
                    .iter()
                    .zip(columns)
                    .all(|(code, column)| *code == column[row])
            };
            let number = match self.wide.find(hash, same) {
                Some(number) => *number,
                None => {
                    let number = self.add(columns, row);
                    self.wide_hashes.push(hash);
                    let known = &self.wide_hashes;
                    self.wide.insert_unique(hash, number, |n| known[*n as usize]);
                    number
                }
            };
            numbers.push(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_rows_have_one_number() {
        let mut tuples = Tuples::new(2);
        let numbers = tuples.number(&[vec![1, 2, 1, 1], vec![7, 7, 7, 8]], 4);
        assert_eq!(numbers, [0, 1, 0, 2]);
        assert_eq!(tuples.number(&[vec![2], vec![7]], 1), [1]);
        assert_eq!(tuples.get(2), [1, 8]);
        assert_eq!(tuples.column(1, 1), [7, 8]);
    }

    #[test]
    fn numbers_stay_while_codes_outgrow_their_bits_and_128_bits() {
        let mut tuples = Tuples::new(5);
        let mut rows: Vec<Vec<u32>> = Vec::new();
        for largest in [1, 200, 70_000, u32::MAX] {
            rows.push(vec![largest, 0, largest, 1, largest]);
            rows.push(vec![largest, largest, 0, 2, largest]);
        }
        for (number, row) in rows.iter().enumerate() {
            let columns: Vec<Vec<u32>> = row.iter().map(|code| vec![*code]).collect();
            assert_eq!(tuples.number(&columns, 1), [number as u32]);
        }
        assert!(tuples.packed.is_none());
        let columns: Vec<Vec<u32>> = (0..5).map(|c| rows.iter().map(|row| row[c]).collect()).collect();
        assert_eq!(
            tuples.number(&columns, rows.len()),
            (0..rows.len() as u32).collect::<Vec<_>>()
        );
    }

    #[test]
    fn no_column_is_one_tuple() {
        let mut tuples = Tuples::new(0);
        assert_eq!(tuples.number(&[], 3), [0, 0, 0]);
        assert_eq!(tuples.len(), 1);
    }
}
