//! TCP and Unix sockets with deadlines: names looked up, connections made, alone or through proxies, and awaited.

pub mod accept;
pub mod connect;
pub mod deadline;
pub mod linger;
pub mod listen;
pub mod proxy;
pub mod resolve;
pub mod unix;
pub mod waits;
