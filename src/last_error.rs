//! The thread's last failure, kept until the thread's next one.

use crate::error::Error;
use std::cell::RefCell;

thread_local! {
    static LAST: RefCell<Option<Error>> = const { RefCell::new(None) };
}

/// Keeps `error` as this thread's last failure. Only the guard of the C API calls this.
pub(crate) fn set(error: Error) {
    // While the thread is being torn down there is no slot any more, and no code left that could ask for it.
    let _ = LAST.try_with(|slot| slot.replace(Some(error)));
}

/// This thread's last failure, if any.
pub(crate) fn get() -> Option<Error> {
    LAST.try_with(|slot| slot.borrow().clone()).ok().flatten()
}

/// Forgets it.
pub(crate) fn clear() {
    let _ = LAST.try_with(|slot| slot.replace(None));
}
