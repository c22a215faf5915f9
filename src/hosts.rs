//! Names of hosts, exact or with a wildcard, and what is found by them in constant time.

use crate::{
    error::{Error, Result},
    hostname::Hostname,
};
use std::collections::HashMap;

/// A name of a host, or all names that have one label more.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern {
    /// Whether one label may stand before the name.
    wildcard: bool,
    name: String,
}

impl Pattern {
    /// Reads "www.example.org" or "*.example.org".
    pub fn parse(text: &str) -> Result<Pattern> {
        let (wildcard, rest) = match text.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        if rest.contains('*') {
            return Err(Error::argument(format!(
                "\"{}\" is no pattern of a host: a * stands for the whole first label, as in \"*.example.org\"",
                text.escape_debug()
            )));
        }
        match Hostname::parse(rest)? {
            Hostname::Name(name) => Ok(Pattern { wildcard, name: lower_case(&name.to_string_lossy()) }),
            Hostname::Ip(_) => Err(Error::argument(format!(
                "\"{}\" is an address: clients send no server name for an address (RFC 6066)",
                text.escape_debug()
            ))),
        }
    }
}

impl Pattern {
    /// The pattern with a wildcard in place of the first label; None of what has one already, or nothing behind it.
    pub fn wider(&self) -> Option<Pattern> {
        match self.name.split_once('.') {
            Some((_, parent)) if !self.wildcard => Some(Pattern { wildcard: true, name: parent.to_string() }),
            _ => None,
        }
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", if self.wildcard { "*." } else { "" }, self.name)
    }
}

/// The name of a host as tables hold it: in lower case, without a final dot. None for an address, and for what is
/// neither.
pub fn normalized(name: &str) -> Option<String> {
    match Hostname::parse(name) {
        Ok(Hostname::Name(name)) => Some(lower_case(&name.to_string_lossy())),
        _ => None,
    }
}

fn lower_case(name: &str) -> String {
    name.to_ascii_lowercase()
}

/// Values by the names of hosts.
#[derive(Clone)]
pub struct HostTable<T> {
    exact: HashMap<String, T>,
    wildcard: HashMap<String, T>,
}

impl<T> Default for HostTable<T> {
    fn default() -> HostTable<T> {
        HostTable { exact: HashMap::new(), wildcard: HashMap::new() }
    }
}

impl<T> HostTable<T> {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.wildcard.is_empty()
    }

    /// Adds a value. False if the pattern has one already, which stays.
    pub fn insert(&mut self, pattern: Pattern, value: T) -> bool {
        let table = self.of(pattern.wildcard);
        let is_new = !table.contains_key(&pattern.name);
        if is_new {
            table.insert(pattern.name, value);
        }
        is_new
    }

    fn of(&mut self, wildcard: bool) -> &mut HashMap<String, T> {
        if wildcard { &mut self.wildcard } else { &mut self.exact }
    }

    /// What the name itself leads to.
    pub fn exact(&self, name: &str) -> Option<&T> {
        self.exact.get(name)
    }

    /// What the wildcard in place of the name's first label leads to.
    pub fn by_wildcard(&self, name: &str) -> Option<&T> {
        name.split_once('.').and_then(|(_, parent)| self.wildcard.get(parent))
    }

    /// What a normalized name leads to: an exact name goes before a wildcard.
    pub fn find(&self, name: &str) -> Option<&T> {
        self.exact(name).or_else(|| self.by_wildcard(name))
    }

    /// All values, in no order.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.exact.values().chain(self.wildcard.values())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(patterns: &[&str]) -> HostTable<String> {
        let mut table = HostTable::default();
        for pattern in patterns {
            assert!(table.insert(Pattern::parse(pattern).unwrap(), pattern.to_string()), "{pattern}");
        }
        table
    }

    fn found(table: &HostTable<String>, name: &str) -> Option<String> {
        normalized(name).and_then(|name| table.find(&name).cloned())
    }

    #[test]
    fn an_exact_name_goes_before_a_wildcard() {
        let table = table(&["*.example.org", "www.example.org"]);
        assert_eq!(found(&table, "www.example.org").as_deref(), Some("www.example.org"));
        assert_eq!(found(&table, "mail.example.org").as_deref(), Some("*.example.org"));
    }

    #[test]
    fn a_wildcard_stands_for_one_label() {
        let table = table(&["*.example.org"]);
        assert_eq!(found(&table, "a.b.example.org"), None);
        assert_eq!(found(&table, "example.org"), None);
        assert_eq!(found(&table, "xn--bcher-kva.example.org").as_deref(), Some("*.example.org"));
    }

    #[test]
    fn case_and_a_final_dot_do_not_matter() {
        let table = table(&["WWW.Example.ORG."]);
        assert_eq!(found(&table, "www.example.org").as_deref(), Some("WWW.Example.ORG."));
        assert_eq!(found(&table, "wWw.eXample.org.").as_deref(), Some("WWW.Example.ORG."));
    }

    #[test]
    fn an_address_is_no_name() {
        let table = table(&["www.example.org"]);
        for text in ["127.0.0.1", "::1", "[::1]", "127.0.0.1.", "", "a b"] {
            assert_eq!(found(&table, text), None, "{text}");
        }
    }

    #[test]
    fn patterns_that_no_client_asks_for_are_refused() {
        for text in [
            "",
            "*",
            "*.",
            "*.*.org",
            "a*.org",
            "www.*.org",
            "127.0.0.1",
            "*.127.0.0.1",
            "::1",
            "b\u{fc}cher.org",
            "a..b",
        ] {
            assert!(Pattern::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_pattern_has_one_value() {
        let mut table = table(&["a.org"]);
        assert!(!table.insert(Pattern::parse("A.ORG").unwrap(), "other".to_string()));
        assert!(table.insert(Pattern::parse("*.a.org").unwrap(), "other".to_string()));
        assert_eq!(found(&table, "a.org").as_deref(), Some("a.org"));
    }
}
