//! How a connection's socket is set.

use dynarust_core::limits::{UNREAD_BYTES_SMALL, UNSENT_BYTES_MAX};
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};

/// Answers go out at once, and the kernel keeps few bytes for a slow reader. With the megabytes that it
/// would keep by itself, a slow reader looked for minutes like one that takes nothing.
pub(crate) fn prepare(stream: &TcpStream) {
    // Without either, answers are later or the limits wider; not worth a refusal.
    let _ = stream.set_nodelay(true);
    let unsent_bytes_max = u32::try_from(UNSENT_BYTES_MAX).unwrap_or(u32::MAX);
    let _ = SockRef::from(stream).set_tcp_notsent_lowat(unsent_bytes_max);
}

/// In a small machine the kernel keeps few bytes of a request, too: they count in a container's memory,
/// and it would take megabytes for a connection whose body is not being read. Connections inherit it.
pub(crate) fn prepare_listener(listener: &TcpListener, memory_is_small: bool) {
    if memory_is_small {
        let _ = SockRef::from(listener).set_recv_buffer_size(UNREAD_BYTES_SMALL);
    }
}
