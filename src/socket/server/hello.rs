//! What a program may do on a server before the handshake: look at the client's hello, and decide by it.

use crate::{config::Frozen, error::Result, hello::Hello, types::Step};
use std::sync::Arc;

use super::serving::has_begun;
use crate::socket::{Socket, handshake, state::Waiter, timeouts::LimitKind};

impl Socket {
    /// The client's hello, for which this waits. Fails once the handshake has begun without it.
    pub fn hello(&self) -> Result<Step<Arc<Hello>>> {
        let driver = self.own_driver()?;
        driver.verify_callback.check_not_running_here()?;
        let collect = || {
            let blocking = driver.blocking(driver.timeouts.deadline(LimitKind::Handshake));
            let Some(_lock) = driver.handshake_lock.acquire(blocking)? else { return Ok(Step::WantRead) };
            driver.operate(LimitKind::Handshake, blocking, Waiter::Reader, |state, _| match &mut state.serving {
                Some(serving) => serving.hello(&mut state.tls),
                None => Err(has_begun()),
            })
        };
        collect().map_err(|error| handshake::failed(driver, error))
    }

    /// Gives the connection another config, which decides how the client is served.
    pub fn set_config(&self, config: &Arc<Frozen>) -> Result<()> {
        self.0.driver.lock().before_handshake(|serving, _| serving.set_config(config))
    }

    /// Refuses the client with an alert.
    pub fn refuse(&self, alert: u8) -> Result<()> {
        {
            let mut state = self.0.driver.lock();
            let failure = state.before_handshake(|serving, tls| serving.refuse(tls, alert))?;
            state.failure = Some(failure);
        }
        self.0.driver.send_rest();
        Ok(())
    }

    /// Whether the connection may carry requests for a host.
    pub fn serves_host(&self, host: &str) -> bool {
        self.0.driver.lock().serving.as_ref().is_some_and(|serving| serving.serves_host(host))
    }
}
