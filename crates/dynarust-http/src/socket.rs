//! How a connection's socket is set.

use std::time::Duration;

use dynarust_core::limits::{STALL_MILLIS_MAX, UNREAD_BYTES_SMALL, UNSENT_BYTES_MAX};
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};

/// Answers go out at once, and the kernel keeps few bytes for a slow reader. With the megabytes that it
/// would keep by itself, a slow reader looked for minutes like one that takes nothing. And it gives up on a client
/// that has gone without a word, and so acknowledges nothing, as soon as on one that takes nothing: by itself it
/// would try for a quarter of an hour.
pub(crate) fn prepare(stream: &TcpStream) {
    // Without either, answers are later or the limits wider; not worth a refusal.
    let _ = stream.set_nodelay(true);
    let unsent_bytes_max = u32::try_from(UNSENT_BYTES_MAX).unwrap_or(u32::MAX);
    let socket = SockRef::from(stream);
    let _ = socket.set_tcp_notsent_lowat(unsent_bytes_max);
    #[cfg(target_os = "linux")]
    let _ = socket.set_tcp_user_timeout(Some(Duration::from_millis(STALL_MILLIS_MAX)));
}

/// In a small machine the kernel keeps few bytes of a request, too: they count in a container's memory,
/// and it would take megabytes for a connection whose body is not being read. Connections inherit it.
pub(crate) fn prepare_listener(listener: &TcpListener, memory_is_small: bool) {
    if memory_is_small {
        let _ = SockRef::from(listener).set_recv_buffer_size(UNREAD_BYTES_SMALL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_client_that_has_gone_without_a_word_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        prepare(&stream);
        let timeout = SockRef::from(&stream).tcp_user_timeout().unwrap();
        assert_eq!(timeout, Some(Duration::from_millis(STALL_MILLIS_MAX)));
    }
}
