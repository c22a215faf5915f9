//! Keying material and channel bindings of a socket.

use crate::{
    error::Result,
    ossl::{secret::Secret, ssl::keying_material::ChannelBinding},
};

use super::Socket;

impl Socket {
    /// Fills `out` with keying material.
    pub fn export_keying_material(&self, label: &str, context: Option<&[u8]>, out: &mut [u8]) -> Result<()> {
        let exported = self.0.driver.lock().tls.export_keying_material(label, context, out);
        exported.map_err(|error| error.context("cannot export keying material"))
    }

    /// The channel binding of this kind.
    pub fn channel_binding(&self, kind: ChannelBinding) -> Result<Secret> {
        let binding = self.0.driver.lock().tls.channel_binding(kind);
        binding.map_err(|error| error.context("there is no such channel binding"))
    }
}
