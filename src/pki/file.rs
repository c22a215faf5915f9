//! Reading the small files that hold certificates and keys. Whatever the path leads to, this ends soon.

use crate::{
    error::{Code, Error, Result},
    ossl::secret::Secret,
};
use std::{
    fs::{File, OpenOptions},
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// More than any bundle of certificates; less than what would hurt.
const LIMIT: u64 = 16 * 1024 * 1024;

/// How much more space a read takes than the file has bytes, to find its end.
const SPARE: usize = 64;

/// The file's bytes.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    read_limited(path).map_err(|error| error.context(path.display()))
}

/// Those of a file that may hold a key.
pub fn read_secret(path: &Path) -> Result<Secret> {
    read(path).map(Secret::new)
}

fn read_limited(path: &Path) -> Result<Vec<u8>> {
    let file = open(path).map_err(|error| Error::io(&error))?;
    let kind = file.metadata().map_err(|error| Error::io(&error))?;
    if kind.is_dir() {
        return Err(Error::io(&io::Error::from_raw_os_error(libc::EISDIR)));
    }
    if !kind.is_file() {
        return Err(Error::new(Code::Config, "not a regular file"));
    }
    if kind.len() > LIMIT {
        return Err(Error::new(
            Code::Config,
            format!("the file has {} bytes, more than the {LIMIT} that certificates and keys may have", kind.len()),
        ));
    }
    // All at once: what grows leaves copies behind.
    let mut bytes = Vec::with_capacity(usize::try_from(kind.len()).unwrap_or(0).saturating_add(SPARE));
    file.take(LIMIT).read_to_end(&mut bytes).map_err(|error| Error::io(&error))?;
    Ok(bytes)
}

/// O_NONBLOCK: opening a FIFO must not wait for its writer.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC).open(path)
}
