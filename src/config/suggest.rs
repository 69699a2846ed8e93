//! "Did you mean …?"

/// The known word nearest to a mistyped one, as a hint; else the list of known words.
pub fn hint(word: &str, known: &[&str], called: &str) -> String {
    match nearest(word, known) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => format!("there are no {called} here"),
        None => format!("the {called} here are {}", list(known)),
    }
}

/// The known word within a third of the letters of a mistyped one.
pub fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let word = word.to_lowercase();
    let allowed = (word.chars().count() / 3).clamp(1, 3);
    known
        .iter()
        .map(|candidate| (distance(&word, &candidate.to_lowercase()), *candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The known words nearest to a word, the nearest first, however far.
pub fn closest<'a>(word: &str, known: &[&'a str], count: usize) -> Vec<&'a str> {
    let word = word.to_lowercase();
    let mut near: Vec<_> = known
        .iter()
        .map(|candidate| (distance(&word, &candidate.to_lowercase()), *candidate))
        .collect();
    near.sort_unstable();
    near.into_iter()
        .take(count)
        .map(|(_, candidate)| candidate)
        .collect()
}

/// `a, b and c`
pub fn list(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [only] => (*only).to_string(),
        [head @ .., last] => format!("{} and {last}", head.join(", ")),
    }
}

/// Insertions, deletions, replacements and swaps of neighbours between two words.
fn distance(left: &str, right: &str) -> usize {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let mut rows = vec![vec![0; right.len() + 1]; left.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=left.len() {
        for j in 1..=right.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(left[i - 1] != right[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[left.len()][right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_word_that_was_meant() {
        let known = ["url", "profile", "memory_limit", "threads"];
        assert_eq!(hint("ulr", &known, "keys"), "did you mean `url`?");
        assert_eq!(
            hint("memory-limit", &known, "keys"),
            "did you mean `memory_limit`?"
        );
        assert_eq!(
            hint("colour", &known, "keys"),
            "the keys here are url, profile, memory_limit and threads"
        );
    }
}
