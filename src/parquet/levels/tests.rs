use super::*;

#[test]
fn levels_are_counted_in_both_kinds_of_runs() {
    // 5 × 1 repeated, then a packed group of eight: 1 0 1 0 1 0 1 0, of which three count.
    let bytes = [5 << 1, 1, 1 << 1 | 1, 0b0101_0101];
    assert_eq!(count_levels(&bytes, 1, 8, 1), Some(7));
    assert_eq!(count_levels(&bytes, 1, 8, 0), Some(1));
    assert_eq!(count_levels(&bytes, 1, 14, 1), None, "the bytes end before");
    // Levels of two bits: 3 2 1 0 3 2 1 0.
    let packed = [1 << 1 | 1, 0b0001_1011, 0b0001_1011];
    assert_eq!(count_levels(&packed, 3, 8, 3), Some(2));
    assert_eq!(count_levels(&packed, 2, 8, 2), None, "a level above the largest");
}

#[test]
fn indices_beyond_the_dictionary_are_found() {
    // Eight indices of three bits: 0 to 7.
    let bytes = [1 << 1 | 1, 0b1000_1000, 0b1100_0110, 0b1111_1010];
    assert_eq!(all_below(&bytes, 3, 8, 8), Some(()));
    assert_eq!(all_below(&bytes, 3, 8, 7), None);
    assert_eq!(all_below(&bytes, 3, 7, 7), Some(()), "the last is padding");
    assert_eq!(all_below(&[3 << 1, 9], 4, 3, 9), None);
    assert_eq!(all_below(&[3 << 1, 8], 4, 3, 9), Some(()));
    assert_eq!(all_below(&[0], 4, 3, 9), None, "a run of nothing");
}
