//! The few system calls that the standard library does not offer, each as a safe function. With `ffi` and `ossl` it is the
//! only module with `unsafe` in it.

mod address;
mod call;
mod datagram;
mod directory_lock;
pub mod event;
pub mod gather;
mod options;
mod pid;
mod pipe;
mod poll;
mod process;
mod stream;
mod thread;
mod unix;

pub use address::{inet_aton, local_address, peer_address};
pub use call::{bad_descriptor, clear_errno, errno_text, memory_ran_out};
pub use datagram::{
    PortSharing, connect_beside, connect_datagrams, descriptor_limit, is_bound_only, listen_datagrams, local_end,
    path_mtu, prepare_to_listen, recv_from, recv_with_destination, send_from, unmapped,
};
pub use directory_lock::DirectoryLock;
pub use options::{
    duplicate, duplicate_socket, receive_buffer_size, set_no_delay, set_nonblocking, set_receive_low_water,
};
pub use pid::pid;
pub use pipe::{access, is_socket, read_available, write_available};
pub use poll::{Readiness, poll, poll_one};
pub use process::{at_exit, at_fork, has_raised_privileges};
pub use stream::{
    accept, connect_result, connect_waiting, connected_peer, listen, peek, peer_has_ended, recv, recv_ahead,
    recv_waiting, send, send_before_end, shutdown, shutdown_read, start_connect, unacknowledged,
};
pub use thread::{Uncancelled, block_all_signals, with_signals_blocked};
pub use unix::{FileId, LONGEST_UNIX_NAME, UnixName, connect_unix, is_listening, listen_unix, local_unix_name};
