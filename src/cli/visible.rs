//! Text that a terminal would obey, written out so that a person sees it: a cell of a bill may hold anything.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The text with control characters and marks of writing direction as `\x1b` and `\u{202e}`; line ends and tabs stay.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_obeyed) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '\r' if characters.peek() == Some(&'\n') => shown.push(c),
            _ if !is_obeyed(c) => shown.push(c),
            _ if u32::from(c) < 0x100 => {
                let _ = write!(shown, "\\x{:02x}", u32::from(c));
            }
            _ => shown.extend(c.escape_unicode()),
        }
    }
    Cow::Owned(shown)
}

/// Escape sequences and what else moves a cursor or rings, and what turns the order of letters around or hides them.
fn is_obeyed(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        '\u{e0000}'..='\u{e007f}' => true,
        _ => c.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::visible;

    #[test]
    fn a_terminal_is_given_nothing_to_obey() {
        for (text, shown) in [
            ("\u{1b}[2J", "\\x1b[2J"),
            ("\u{1b}]0;title\u{7}", "\\x1b]0;title\\x07"),
            ("\u{9b}31m", "\\x9b31m"),
            ("bill\rpaid", "bill\\x0dpaid"),
            ("a\u{8}b\u{7f}\u{0}", "a\\x08b\\x7f\\x00"),
            ("\u{202e}fdp.exe", "\\u{202e}fdp.exe"),
            ("a\u{2066}b\u{2028}c", "a\\u{2066}b\\u{2028}c"),
        ] {
            assert_eq!(visible(text), shown);
            assert_eq!(visible(shown), shown);
        }
        for text in [
            "Compute Engine",
            "two\nlines\r\nand\ta tab",
            "Größe 漢字 👩‍🔧 ∅ שלום",
        ] {
            assert_eq!(visible(text), text);
        }
    }
}
