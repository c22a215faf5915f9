//! Texts for messages: bounded, whatever a peer has sent.

/// The names, as many as fit into `longest` bytes, and how many more there are.
pub fn list(names: impl Iterator<Item = String>, separator: &str, longest: usize) -> String {
    let mut text = String::new();
    let mut left_out = 0;
    for name in names {
        if left_out > 0 || text.len() + name.len() > longest {
            left_out += 1;
            continue;
        }
        if !text.is_empty() {
            text.push_str(separator);
        }
        text.push_str(&name);
    }
    match (text.is_empty(), left_out) {
        (true, 0) => "(none)".to_string(),
        (true, more) => format!("({more} too long to show)"),
        (_, 0) => text,
        (_, more) => format!("{text} and {more} more"),
    }
}

/// The text, or its beginning where it has more than `longest` bytes.
pub fn beginning(text: &str, longest: usize) -> String {
    if text.len() <= longest {
        return text.to_string();
    }
    let end = text.char_indices().map(|(at, _)| at).take_while(|at| *at <= longest).last().unwrap_or_default();
    format!("{}...", text.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_says_how_much_it_leaves_out() {
        let names = || ["one", "two", "three"].into_iter().map(str::to_string);
        assert_eq!(list(names(), ", ", 100), "one, two, three");
        assert_eq!(list(names(), ", ", 8), "one, two and 1 more");
        assert_eq!(list(names(), ", ", 2), "(3 too long to show)");
        assert_eq!(list(std::iter::empty(), ", ", 8), "(none)");
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(beginning("abc", 3), "abc");
        assert_eq!(beginning("abcd", 3), "abc...");
        assert_eq!(beginning("ab\u{e9}d", 3), "ab...");
    }
}
