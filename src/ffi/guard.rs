//! The boundary: no panic passes it, no thread is cancelled behind it, every failure is stored as the last error.

use crate::{
    error::{Code, Error, Result},
    last_error,
    posix::Uncancelled,
};
use std::{
    cell::Cell,
    panic::{self, AssertUnwindSafe},
    sync::Once,
};

use crate::ffi::status::bgl_ssl_status_t;

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Runs the body of a function that returns a status.
pub fn status(body: impl FnOnce() -> Result<bgl_ssl_status_t>) -> bgl_ssl_status_t {
    match run(body) {
        Ok(status) => status,
        Err(code) => code as bgl_ssl_status_t,
    }
}

/// Runs the body of a function that returns OK or fails.
pub fn done(body: impl FnOnce() -> Result<()>) -> bgl_ssl_status_t {
    status(|| body().map(|()| crate::ffi::status::BGL_SSL_OK))
}

/// Runs the body of a function that returns a value, or `otherwise` on failure.
pub fn or<T>(otherwise: T, body: impl FnOnce() -> Result<T>) -> T {
    run(body).unwrap_or(otherwise)
}

/// Runs the body of a function that cannot fail, but for a panic.
pub fn quietly(body: impl FnOnce()) {
    let _ = run(|| {
        body();
        Ok(())
    });
}

/// As `or`, for a body without a cancellation point: changing the thread's state would cost more than what it does.
pub fn or_in_memory<T>(otherwise: T, body: impl FnOnce() -> Result<T>) -> T {
    keep_failure(catch_panic(body)).unwrap_or(otherwise)
}

fn run<T>(body: impl FnOnce() -> Result<T>) -> std::result::Result<T, Code> {
    keep_failure(catch(body))
}

fn keep_failure<T>(result: Result<T>) -> std::result::Result<T, Code> {
    match result {
        Ok(value) => Ok(value),
        Err(error) => {
            let code = error.code;
            last_error::set(error);
            Err(code)
        }
    }
}

/// Runs `body`, and turns a panic into an error. Nothing is printed: the library prints nothing.
pub fn catch<T>(body: impl FnOnce() -> Result<T>) -> Result<T> {
    let _uncancelled = Uncancelled::new();
    catch_panic(body)
}

fn catch_panic<T>(body: impl FnOnce() -> Result<T>) -> Result<T> {
    silence_panics();
    let outer = INSIDE.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(body));
    INSIDE.set(outer);
    result.unwrap_or_else(|payload| {
        let text = payload.downcast_ref::<&str>().map(ToString::to_string);
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default();
        Err(Error::new(Code::Internal, format!("a defect of bglssl: {text}")))
    })
}

/// The default hook prints every panic on standard error; those that the guard catches are reported as errors.
fn silence_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !INSIDE.try_with(Cell::get).unwrap_or(false) {
                previous(info);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_internal_error_with_its_words() {
        let code = status(|| panic!("planted"));
        assert_eq!(code, crate::ffi::status::BGL_SSL_E_INTERNAL);
        assert!(last_error::get().is_some_and(|error| error.message.contains("planted")));
    }
}
