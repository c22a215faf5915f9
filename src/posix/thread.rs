//! What a thread is protected from: cancellation and signals.

use std::{io, mem};

/// While this lives, its thread is not cancelled (pthread_cancel): glibc would unwind the frames of the library, which
/// Rust answers by ending the process. A cancellation that comes meanwhile takes effect at the next cancellation point
/// afterwards.
pub struct Uncancelled {
    #[cfg(target_os = "linux")]
    before: libc::c_int,
}

#[cfg(target_os = "linux")]
unsafe extern "C" {
    fn pthread_setcancelstate(state: libc::c_int, before: *mut libc::c_int) -> libc::c_int;
}

impl Uncancelled {
    /// From here on.
    pub fn new() -> Self {
        #[cfg(target_os = "linux")]
        const PTHREAD_CANCEL_DISABLE: libc::c_int = 1;
        Self {
            #[cfg(target_os = "linux")]
            before: set_cancel_state(PTHREAD_CANCEL_DISABLE),
        }
    }
}

#[cfg(target_os = "linux")]
impl Drop for Uncancelled {
    fn drop(&mut self) {
        set_cancel_state(self.before);
    }
}

#[cfg(target_os = "linux")]
fn set_cancel_state(state: libc::c_int) -> libc::c_int {
    let mut before = 0;
    // SAFETY: `before` is writable. Changing the state is no cancellation point.
    unsafe { pthread_setcancelstate(state, &raw mut before) };
    before
}

/// Runs `action` with signals blocked, so that a thread it starts never runs the host's signal handlers, provided that
/// the thread begins with `block_all_signals`.
///
/// Those stay by which a garbage collector stops the threads that it knows, one by one: to start a thread is to allocate
/// memory, and the allocator's lock may be with a thread that has been stopped. A thread that waits for it then, and cannot be
/// stopped, keeps the collector from ever going on.
pub fn with_signals_blocked<T>(action: impl FnOnce() -> T) -> T {
    let mut some = all_signals();
    for signal in stopping_signals() {
        // SAFETY: the set is live, and the number is a signal's.
        unsafe { libc::sigdelset(&mut some, signal) };
    }
    let old = set_signal_mask(&some);
    let result = action();
    set_signal_mask(&old);
    result
}

/// Runs `action`, a system call, so that it raises no SIGPIPE.
pub fn without_sigpipe<T>(action: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    // SAFETY: an all-zero sigset_t is a valid value to be overwritten.
    let (mut only, mut pending): (libc::sigset_t, libc::sigset_t) = unsafe { mem::zeroed() };
    // SAFETY: the sets are live, and the number is a signal's.
    let was_pending = unsafe {
        libc::sigemptyset(&mut only);
        libc::sigaddset(&mut only, libc::SIGPIPE);
        libc::sigpending(&mut pending);
        libc::sigismember(&pending, libc::SIGPIPE) == 1
    };
    // SAFETY: an all-zero sigset_t is a valid value to be overwritten.
    let mut old = unsafe { mem::zeroed() };
    // SAFETY: both sets are live.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &only, &mut old) };
    let result = action();
    let is_broken = result.as_ref().is_err_and(|error| error.raw_os_error() == Some(libc::EPIPE));
    if is_broken && !was_pending {
        let mut signal = 0;
        // SAFETY: the sets are live. The signal of the call is pending, if it is one of this thread's, so nothing waits.
        unsafe {
            libc::sigpending(&mut pending);
            if libc::sigismember(&pending, libc::SIGPIPE) == 1 {
                libc::sigwait(&only, &mut signal);
            }
        }
    }
    set_signal_mask(&old);
    result
}

/// Lets no signal interrupt the calling thread from now on.
pub fn block_all_signals() {
    set_signal_mask(&all_signals());
}

/// What garbage collectors for C stop threads with.
#[cfg(target_os = "linux")]
fn stopping_signals() -> impl Iterator<Item = libc::c_int> {
    [libc::SIGPWR, libc::SIGXCPU].into_iter().chain(libc::SIGRTMIN()..=libc::SIGRTMAX())
}

#[cfg(not(target_os = "linux"))]
fn stopping_signals() -> impl Iterator<Item = libc::c_int> {
    std::iter::empty()
}

fn all_signals() -> libc::sigset_t {
    // SAFETY: an all-zero sigset_t is a valid value to be overwritten.
    let mut all = unsafe { mem::zeroed() };
    // SAFETY: the set is live.
    unsafe { libc::sigfillset(&mut all) };
    all
}

/// Sets the calling thread's mask, and returns what it was.
fn set_signal_mask(mask: &libc::sigset_t) -> libc::sigset_t {
    // SAFETY: an all-zero sigset_t is a valid value to be overwritten.
    let mut old = unsafe { mem::zeroed() };
    // SAFETY: both sets are live.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, mask, &mut old) };
    old
}
