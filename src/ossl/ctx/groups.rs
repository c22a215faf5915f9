//! The groups for key agreement. OpenSSL 3.5 passes over a group that it does not know where a "?" is before the name, and
//! knows "DEFAULT"; for older ones such lists are resolved here.

use crate::error::{Code, Error, Result};
use openssl_sys as ffi;
use std::ffi::{CStr, CString, c_int, c_ulong};

use super::Ctx;
use crate::ossl::{queue, versions};

/// What older versions offer by default, as far as they know it.
const DEFAULT: &str = "X25519:P-256:X448:P-521:P-384:ffdhe2048:ffdhe3072:ffdhe4096:ffdhe6144:ffdhe8192";

/// The first version that resolves lists itself.
const RESOLVES: c_ulong = 0x3050_0000;

impl Ctx {
    /// Sets the groups (curves) for key agreement.
    pub fn set_groups(&mut self, groups: &CStr) -> Result<()> {
        let text = groups.to_string_lossy();
        // SAFETY: no preconditions.
        let resolves = unsafe { ffi::OpenSSL_version_num() } >= RESOLVES;
        let needs_it = text.split(':').any(|name| name.starts_with('?') || name.eq_ignore_ascii_case("DEFAULT"));
        if resolves && text.split(':').all(|name| name.starts_with('?')) && !self.knows_one_of(&text)? {
            return Err(none_known(&text));
        }
        if resolves || !needs_it {
            return self.try_groups(groups);
        }
        let mut known = String::new();
        for name in text.split(':') {
            match name.strip_prefix('?') {
                Some(optional) => self.add_group(&mut known, optional)?,
                None if name.eq_ignore_ascii_case("DEFAULT") => {
                    for name in DEFAULT.split(':') {
                        self.add_group(&mut known, name)?;
                    }
                }
                None => known = with(&known, name),
            }
        }
        if known.is_empty() {
            return Err(none_known(&text));
        }
        self.try_groups(&c_text(&known)?)
    }

    /// Whether one of these groups is known, which may all be unknown: OpenSSL would take a list that comes to nothing.
    fn knows_one_of(&mut self, groups: &str) -> Result<bool> {
        let mut known = String::new();
        for name in groups.split(':').map(|name| name.trim_start_matches('?')).filter(|name| !name.is_empty()) {
            self.add_group(&mut known, name)?;
        }
        Ok(!known.is_empty())
    }

    /// Adds a group that may be unknown, or there already, by this name or another.
    fn add_group(&mut self, known: &mut String, name: &str) -> Result<()> {
        let longer = with(known, name);
        match self.try_groups(&c_text(&longer)?) {
            Ok(()) => *known = longer,
            Err(error) if error.code == Code::Config => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn try_groups(&mut self, groups: &CStr) -> Result<()> {
        queue::clear();
        // SAFETY: the context is live, the text NUL-terminated and only read.
        let done = unsafe { versions::set1_groups_list(self.as_ptr(), groups.as_ptr()) };
        queue::check(done as c_int, Code::Config, &format!("groups \"{}\"", groups.to_string_lossy()))
    }
}

fn none_known(groups: &str) -> Error {
    Error::new(Code::Config, format!("groups \"{groups}\": this OpenSSL knows none of them"))
}

fn with(list: &str, name: &str) -> String {
    if list.is_empty() { name.to_string() } else { format!("{list}:{name}") }
}

fn c_text(text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| Error::argument("the groups have a NUL in them"))
}
