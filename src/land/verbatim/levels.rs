//! Parquet's hybrid of repeated and bit-packed runs, looked through without being unpacked into memory.

/// One run of small integers.
enum Run<'a> {
    /// The same value again and again.
    Repeated(u32, usize),
    /// Values of a fixed width, the lowest bits first.
    Packed(&'a [u8], usize),
}

/// The runs of `count` values of `width` bits; `None` when the bytes end before or make no sense.
fn for_each_run<'a>(
    mut bytes: &'a [u8],
    width: u32,
    mut count: usize,
    mut each: impl FnMut(Run<'a>) -> Option<()>,
) -> Option<()> {
    if width > 32 {
        return None;
    }
    while count > 0 {
        let header = varint(&mut bytes)?;
        if header & 1 == 1 {
            let groups = usize::try_from(header >> 1).ok()?;
            let packed = bytes.split_off(..groups.checked_mul(width as usize)?)?;
            let held = groups.checked_mul(8)?.min(count);
            each(Run::Packed(packed, held))?;
            count -= held;
            if held == 0 {
                return None;
            }
        } else {
            let held = usize::try_from(header >> 1).ok()?.min(count);
            let value = bytes.split_off(..(width as usize).div_ceil(8))?;
            let mut whole = [0u8; 4];
            whole[..value.len()].copy_from_slice(value);
            each(Run::Repeated(u32::from_le_bytes(whole), held))?;
            count -= held;
            if held == 0 {
                return None;
            }
        }
    }
    Some(())
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

/// Hands over eight values at a time, and the rest.
fn unpack(packed: &[u8], width: u32, count: usize, mut each: impl FnMut(u32) -> Option<()>) -> Option<()> {
    if width == 0 {
        return (0..count).try_for_each(|_| each(0));
    }
    let mask = (1u64 << width) - 1;
    let mut left = count;
    for group in packed.chunks_exact(width as usize) {
        // Eight values of up to 32 bits, and room to read eight bytes at the last one.
        let mut padded = [0u8; 40];
        padded[..group.len()].copy_from_slice(group);
        for place in 0..left.min(8) {
            let bit = place * width as usize;
            let mut word = [0u8; 8];
            word.copy_from_slice(&padded[bit / 8..bit / 8 + 8]);
            each((u64::from_le_bytes(word) >> (bit % 8) & mask) as u32)?;
        }
        left -= left.min(8);
    }
    (left == 0).then_some(())
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
