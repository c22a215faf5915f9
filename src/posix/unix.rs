//! Unix sockets: their names, and connecting and listening by them.

use super::{
    address::with_address,
    call::check,
    options::{new_socket_of, set_nonblocking, socket_option},
};
use std::{
    ffi::OsStr,
    fs, io, mem,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::{ffi::OsStrExt, fs::FileTypeExt, fs::MetadataExt, fs::PermissionsExt},
    },
    path::Path,
};

/// The most bytes that a name can have: the path of a file, or an abstract name without the NUL before it.
pub const LONGEST_UNIX_NAME: usize = SUN_PATH - 1;

const SUN_PATH: usize = mem::size_of::<libc::sockaddr_un>() - mem::offset_of!(libc::sockaddr_un, sun_path);

/// The name of a Unix socket.
#[derive(Clone, Copy, Debug)]
pub enum UnixName<'a> {
    /// A file.
    File(&'a Path),
    /// A name that no file has (Linux).
    Abstract(&'a [u8]),
}

/// A file, as long as it exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    /// That of a socket's file; None for files of other kinds.
    pub fn of_socket(path: &Path) -> io::Result<Option<FileId>> {
        let found = fs::symlink_metadata(path)?;
        Ok(found.file_type().is_socket().then(|| FileId { device: found.dev(), inode: found.ino() }))
    }
}

fn to_sockaddr(name: UnixName<'_>) -> io::Result<(libc::sockaddr_un, libc::socklen_t)> {
    // SAFETY: an all-zero sockaddr_un is a valid value.
    let mut address: libc::sockaddr_un = unsafe { mem::zeroed() };
    address.sun_family = libc::AF_UNIX as libc::sa_family_t;
    // An abstract name begins with a NUL and ends with its length, a path ends with a NUL.
    let (bytes, at) = match name {
        UnixName::File(path) => (path.as_os_str().as_bytes(), 0),
        UnixName::Abstract(name) => (name, 1),
    };
    if bytes.len() > LONGEST_UNIX_NAME {
        return Err(io::Error::from_raw_os_error(libc::ENAMETOOLONG));
    }
    for (to, from) in address.sun_path.iter_mut().skip(at).zip(bytes) {
        *to = *from as libc::c_char;
    }
    let len = mem::offset_of!(libc::sockaddr_un, sun_path) + bytes.len() + 1;
    Ok((address, len as libc::socklen_t))
}

/// Connects, which takes no time unless the listener's queue is full: then it fails with WouldBlock.
pub fn connect_unix(name: UnixName<'_>) -> io::Result<OwnedFd> {
    let fd = new_socket_of(libc::AF_UNIX, libc::SOCK_STREAM | libc::SOCK_NONBLOCK)?;
    let (address, len) = to_sockaddr(name)?;
    // SAFETY: `address` holds a socket address of `len` bytes.
    check(unsafe { libc::connect(fd.as_raw_fd(), (&raw const address).cast(), len) })?;
    set_nonblocking(fd.as_fd(), false)?;
    Ok(fd)
}

/// A socket that listens by this name. A file gets the permissions `mode`, from its beginning on; None for what the
/// process's umask leaves.
pub fn listen_unix(name: UnixName<'_>, backlog: i32, mode: Option<u32>) -> io::Result<OwnedFd> {
    let fd = new_socket_of(libc::AF_UNIX, libc::SOCK_STREAM)?;
    let (address, len) = to_sockaddr(name)?;
    if let Some(mode) = mode {
        // The file is made with the socket's own mode, less the umask.
        // SAFETY: plain integers on a live descriptor.
        check(unsafe { libc::fchmod(fd.as_raw_fd(), mode as libc::mode_t) })?;
    }
    // SAFETY: `address` holds a socket address of `len` bytes.
    check(unsafe { libc::bind(fd.as_raw_fd(), (&raw const address).cast(), len) })?;
    if let (UnixName::File(path), Some(mode)) = (name, mode) {
        // Nobody can connect before listen(2), so no connection was possible that the mode forbids.
        let completed = complete_mode(path, mode);
        if completed.is_err() {
            let _ = fs::remove_file(path);
        }
        completed?;
    }
    // SAFETY: plain integers.
    let listens = check(unsafe { libc::listen(fd.as_raw_fd(), backlog) });
    if let (Err(_), UnixName::File(path)) = (&listens, name) {
        let _ = fs::remove_file(path);
    }
    listens.map(|()| fd)
}

/// Gives the file what the umask has taken.
fn complete_mode(path: &Path, mode: u32) -> io::Result<()> {
    let has = fs::symlink_metadata(path)?.permissions().mode() & 0o777;
    if has == mode { Ok(()) } else { fs::set_permissions(path, fs::Permissions::from_mode(mode)) }
}

/// The name of a Unix socket's own end: a path, or "@" and an abstract name. None for other sockets, and for one without a
/// name.
pub fn local_unix_name(fd: BorrowedFd<'_>) -> io::Result<Option<String>> {
    with_address(fd, libc::getsockname, |storage, len| {
        if libc::c_int::from(storage.ss_family) != libc::AF_UNIX {
            return None;
        }
        // SAFETY: the family says that this is a sockaddr_un.
        let from = unsafe { &*(&raw const *storage).cast::<libc::sockaddr_un>() };
        let length = (len as usize).saturating_sub(mem::offset_of!(libc::sockaddr_un, sun_path));
        let bytes: Vec<u8> = from.sun_path.iter().take(length).map(|byte| *byte as u8).collect();
        match bytes.split_first() {
            None => None,
            Some((0, [])) => None,
            Some((0, name)) => Some(format!("@{}", OsStr::from_bytes(name).to_string_lossy())),
            Some(_) => {
                let path: Vec<u8> = bytes.iter().copied().take_while(|byte| *byte != 0).collect();
                Some(OsStr::from_bytes(&path).to_string_lossy().into_owned())
            }
        }
    })
}

/// Whether a socket listens.
pub fn is_listening(fd: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(socket_option(fd, libc::SOL_SOCKET, libc::SO_ACCEPTCONN)? != 0)
}
