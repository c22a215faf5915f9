//! TCP with deadlines: names looked up, connections made and awaited.

pub mod accept;
pub mod connect;
pub mod deadline;
pub mod listen;
pub mod resolve;
