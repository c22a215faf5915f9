//! What a thread is protected from: cancellation and signals.

use std::mem;

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
