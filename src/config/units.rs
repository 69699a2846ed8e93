//! Sizes and durations as people write them.

/// Bytes of `512MiB`, `1GB`, `2 GiB` or a plain number of bytes.
pub fn bytes(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "t" | "tib" => 1 << 40,
        _ => return None,
    };
    number.checked_mul(factor)
}

/// Months of `3 months`, `1 month`, `2 years`.
pub fn months(text: &str) -> Option<u32> {
    let (number, unit) = split(text)?;
    let factor = match unit.to_ascii_lowercase().as_str() {
        "month" | "months" => 1,
        "year" | "years" => 12,
        _ => return None,
    };
    // Longer than any bill is kept, and far from where a calendar ends.
    u32::try_from(number)
        .ok()?
        .checked_mul(factor)
        .filter(|months| *months <= 1200)
}

/// Hours of `6 hours`, `1 hour`, `2 days`.
pub fn hours(text: &str) -> Option<u32> {
    let (number, unit) = split(text)?;
    let factor = match unit.to_ascii_lowercase().as_str() {
        "hour" | "hours" => 1,
        "day" | "days" => 24,
        _ => return None,
    };
    u32::try_from(number)
        .ok()?
        .checked_mul(factor)
        .filter(|hours| *hours <= 24 * 366)
}

fn split(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, text[end..].trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_sizes_and_durations() {
        assert_eq!(bytes("512MiB"), Some(536_870_912));
        assert_eq!(bytes("1GB"), Some(1_000_000_000));
        assert_eq!(bytes("2 GiB"), Some(2_147_483_648));
        assert_eq!(bytes("4096"), Some(4096));
        assert_eq!(months("3 months"), Some(3));
        assert_eq!(months("1 year"), Some(12));
        assert_eq!(months("0 months"), Some(0));
        assert_eq!(
            (hours("6 hours"), hours("2 days"), hours("1 week")),
            (Some(6), Some(48), None)
        );
        for text in ["", "MiB", "-1MB", "1.5GB", "12 parsecs", "99999999999999999999MB"] {
            assert_eq!(bytes(text), None, "{text}");
        }
        for text in ["3", "three months", "5000 months", "3 days"] {
            assert_eq!(months(text), None, "{text}");
        }
    }
}
