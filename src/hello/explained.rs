//! The failure of a handshake of two ends that have nothing in common, with what each of them offers.

use crate::{
    error::{Code, Error},
    ossl::{
        queue,
        ssl::{handle::SslHandle, message_log::MessageLog, names::alpn_names},
    },
    types::Role,
};

use super::{
    Hello, ServerHello,
    disagreement::{Ends, Topics},
};

/// The failure, with the offers of both ends where they show why. `alpn` are the application protocols of this end,
/// each name behind its length.
pub fn explained<H>(tls: &SslHandle<H>, messages: &MessageLog, alpn: &[u8], error: Error) -> Error {
    let topics = Topics::of(queue::ssl_reason(error.openssl_code), error.alert);
    let Some(topics) = topics.filter(|_| error.code == Code::Protocol) else { return error };
    let datagrams = tls.is_datagram();
    let ends = Ends {
        role: tls.role(),
        client: Hello::parse(messages.client_hello(), datagrams).ok(),
        chosen: ServerHello::parse(&messages.server_hello()).ok(),
        own: (tls.role() == Role::Server).then(|| Hello::parse(tls.own_offer(), datagrams).ok()).flatten(),
        own_versions: tls.version_bounds(),
        own_alpn: alpn_names(alpn).map(<[u8]>::to_vec).collect(),
        own_key: tls.own_key_type(),
        cipher_name: &|number| tls.cipher_name(number),
    };
    match topics.explain(&ends) {
        Some(why) => Error { message: format!("{}; {why}", error.message), ..error },
        None => error,
    }
}
