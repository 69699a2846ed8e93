//! Parquet's hybrid of repeated and bit-packed runs, looked through without being unpacked into memory.

use datafusion::parquet::basic::Encoding;

use super::runs::{Run, eight, next_run};

/// The runs of `count` values of `width` bits; `None` when the bytes end before or make no sense.
fn for_each_run<'a>(
    mut bytes: &'a [u8],
    width: u32,
    mut count: usize,
    mut each: impl FnMut(Run<'a>) -> Option<()>,
) -> Option<()> {
    while count > 0 {
        let run = match next_run(&mut bytes, width)? {
            Run::Repeated(value, held) => Run::Repeated(value, held.min(count)),
            Run::Packed(packed, held) => Run::Packed(packed, held.min(count)),
        };
        let (Run::Repeated(_, held) | Run::Packed(_, held)) = run;
        each(run)?;
        count -= held;
    }
    Some(())
}

/// Hands over the first `count` values one by one.
fn unpack(packed: &[u8], width: u32, count: usize, mut each: impl FnMut(u32) -> Option<()>) -> Option<()> {
    for first in (0..count).step_by(8) {
        for value in eight(packed, width, first)?.into_iter().take(count - first) {
            each(value)?;
        }
    }
    Some(())
}

/// How many of `count` levels are `wanted`; `None` when one is above `most` or the bytes are damaged.
pub(super) fn count_levels(bytes: &[u8], most: i16, count: usize, wanted: i16) -> Option<usize> {
    let most = u32::try_from(most).ok()?;
    let wanted = u32::try_from(wanted).ok()?;
    let width = u32::BITS - most.leading_zeros();
    let mut found = 0;
    for_each_run(bytes, width, count, |run| {
        match run {
            Run::Repeated(level, held) => {
                if level > most {
                    return None;
                }
                found += if level == wanted { held } else { 0 };
            }
            Run::Packed(packed, held) if width == 1 => {
                let ones = ones(packed, held);
                found += if wanted == 1 { ones } else { held - ones };
            }
            Run::Packed(packed, held) => unpack(packed, width, held, |level| {
                found += usize::from(level == wanted);
                (level <= most).then_some(())
            })?,
        }
        Some(())
    })?;
    Some(found)
}

/// How many values the longest row has, and how many the last one so far, when `under_way` values of the first came before:
/// a row begins at level 0. `None` when the bytes are damaged.
pub(super) fn longest_row(bytes: &[u8], most: i16, count: usize, under_way: usize) -> Option<(usize, usize)> {
    let width = u32::BITS - u32::try_from(most).ok()?.leading_zeros();
    let (mut longest, mut last) = (under_way, under_way);
    for_each_run(bytes, width, count, |run| {
        let mut add = |level: u32, held: usize| {
            (last, longest) = match level {
                0 => (1, longest.max(last).max(1)),
                _ => (last + held, longest),
            };
        };
        match run {
            Run::Repeated(level, held) => add(level, held),
            Run::Packed(packed, held) => unpack(packed, width, held, |level| {
                add(level, 1);
                Some(())
            })?,
        }
        Some(())
    })?;
    Some((longest.max(last), last))
}

/// The levels at the front of a page of the first version.
pub(super) fn take_levels<'a>(rest: &mut &'a [u8], encoding: Encoding) -> Option<&'a [u8]> {
    if encoding != Encoding::RLE {
        return None;
    }
    let (length, behind) = rest.split_first_chunk::<4>()?;
    *rest = behind;
    rest.split_off(..u32::from_le_bytes(*length) as usize)
}

/// The set ones of the first `count` bits.
fn ones(packed: &[u8], count: usize) -> usize {
    let (whole, rest) = packed.split_at((count / 8).min(packed.len()));
    let last = rest
        .first()
        .map_or(0, |byte| byte & ((1u16 << (count % 8)) - 1) as u8);
    whole.iter().map(|byte| byte.count_ones() as usize).sum::<usize>() + last.count_ones() as usize
}

/// Whether all of `count` indices of `width` bits are below `limit`.
pub(super) fn all_below(bytes: &[u8], width: u32, count: usize, limit: u32) -> Option<()> {
    let cannot_exceed = width < 32 && 1u64 << width <= u64::from(limit);
    for_each_run(bytes, width, count, |run| match run {
        Run::Repeated(index, _) => (index < limit).then_some(()),
        Run::Packed(..) if cannot_exceed => Some(()),
        Run::Packed(packed, held) => {
            let mut largest = 0;
            unpack(packed, width, held, |index| {
                largest = largest.max(index);
                Some(())
            })?;
            (largest < limit).then_some(())
        }
    })
}

#[cfg(test)]
mod tests;
