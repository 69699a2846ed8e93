//! Which rows a data file holds, read from its path alone and kept when files are merged.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign};

use sha2::{Digest, Sha256};

/// Stands before the identity in the name of a merged file.
const MARK: &str = ".holds-";

/// The identity of the rows in some files: a sum of hashes, so that the identity of files that were merged is the sum
/// of theirs, whatever was merged with what and into how many files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Identity([u64; 4]);

impl Identity {
    /// The identity of a file by its path inside the table's folder. A path is given once, to the rows that are
    /// written under it; only a merge takes them elsewhere, and the name of a merged file says what it holds.
    pub fn of_path(path: &str) -> Identity {
        if let Some(held) = path.rsplit_once(MARK).and_then(|(_, rest)| held(rest)) {
            return held;
        }
        let digest = Sha256::digest(path.as_bytes());
        let mut limbs = [0; 4];
        for (limb, bytes) in limbs.iter_mut().zip(digest.chunks_exact(8)) {
            *limb = bytes
                .iter()
                .fold(0, |number, byte| (number << 8) | u64::from(*byte));
        }
        Identity(limbs)
    }

    /// What the name of a merged file carries.
    pub(super) fn mark(self) -> String {
        format!("{MARK}{self}")
    }
}

fn held(rest: &str) -> Option<Identity> {
    let digits = rest.strip_suffix(".parquet")?;
    if digits.len() != 64 || !digits.is_ascii() {
        return None;
    }
    let mut limbs = [0; 4];
    for (index, limb) in limbs.iter_mut().enumerate() {
        *limb = u64::from_str_radix(&digits[index * 16..(index + 1) * 16], 16).ok()?;
    }
    Some(Identity(limbs))
}

impl Add for Identity {
    type Output = Identity;

    /// The sum modulo 2^256.
    fn add(self, other: Identity) -> Identity {
        let mut sum = [0; 4];
        let mut carry = false;
        for index in (0..4).rev() {
            let (partial, over) = self.0[index].overflowing_add(other.0[index]);
            let (limb, again) = partial.overflowing_add(u64::from(carry));
            sum[index] = limb;
            carry = over || again;
        }
        Identity(sum)
    }
}

impl AddAssign for Identity {
    fn add_assign(&mut self, other: Identity) {
        *self = *self + other;
    }
}

impl Sum for Identity {
    fn sum<I: Iterator<Item = Identity>>(identities: I) -> Identity {
        identities.fold(Identity::default(), Add::add)
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|limb| write!(f, "{limb:016x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_merged_file_is_what_it_holds() {
        let paths = [
            "acme/a-00000.parquet",
            "acme/a-00001.parquet",
            "acme/b-00000.parquet",
        ];
        let sum: Identity = paths.iter().map(|path| Identity::of_path(path)).sum();
        let merged = format!("acme/c-00000{}.parquet", sum.mark());
        assert_eq!(Identity::of_path(&merged), sum);
        // A second file of the same merge adds nothing, and merging both again changes nothing.
        let second = format!("acme/c-00001{}.parquet", Identity::default().mark());
        assert_eq!(Identity::of_path(&merged) + Identity::of_path(&second), sum);
    }

    #[test]
    fn the_order_does_not_matter_but_every_path_does() {
        let [a, b, c] = ["a", "b", "c"].map(Identity::of_path);
        assert_eq!(a + b + c, c + a + b);
        assert_ne!(a + b, a + c);
        assert_ne!(a + b, a);
    }

    #[test]
    fn a_sum_carries_from_limb_to_limb_and_wraps() {
        let ones = Identity([u64::MAX; 4]);
        assert_eq!(ones + Identity([0, 0, 0, 1]), Identity::default());
        assert_eq!(
            Identity([0, 0, u64::MAX, u64::MAX]) + Identity([0, 0, 0, 1]),
            Identity([0, 1, 0, 0])
        );
    }

    #[test]
    fn a_name_that_only_looks_merged_is_a_path_like_any_other() {
        let path = "acme/c-00000.holds-12.parquet";
        assert_ne!(Identity::of_path(path), Identity::default());
        assert_ne!(Identity::of_path(path), Identity::of_path("acme/c-00000.parquet"));
    }
}
