//! The handshake: who is there, and do both know the secret.
//!
//! ```text
//! dialler                                   accepter
//!   hello: protocol, nonce, who I am  ─────▶
//!                                     ◀─────  hello: the same; proof
//!   proof                             ─────▶
//!                                     ◀─────  welcome
//! ```
//!
//! A proof is an HMAC-SHA-256 with the cluster's secret over both hellos, byte for byte, and the side that
//! gives it: so neither can be replayed, reflected, or have anything of a hello changed. Instead of its
//! next message either side can send a refusal, and both know why.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use dynarust_core::limits::{ADDRESS_BYTES_MAX, HANDSHAKE_BYTES_MAX, HANDSHAKE_MILLIS_MAX};
use dynarust_core::{ClusterId, Epoch, Incarnation, NodeId, UnixMillis};
use hmac::{Hmac, KeyInit, Mac};
use prost::Message;
use sha2::Sha256;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::time::timeout;

use super::Channel;
use super::frame::{self, Frame, FrameError, FrameReader, Kind};

/// The protocol that this release speaks.
pub(super) const PROTOCOL: u32 = 1;
/// The oldest that it understands.
const PROTOCOL_OLDEST: u32 = 1;

const HELLO: u16 = 1;
const PROOF: u16 = 2;
const WELCOME: u16 = 3;
const REFUSAL: u16 = 4;

const NONCE_BYTES: usize = 32;
const DIALLER: &[u8] = b"dynarust mesh, dialler";
const ACCEPTER: &[u8] = b"dynarust mesh, accepter";

/// What a node says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Greeting {
    pub(crate) node: NodeId,
    pub(crate) incarnation: Incarnation,
    /// Which start that is: of two nodes on copies of one folder each has its own.
    pub(crate) start: Epoch,
    /// The cluster it belongs to; none while it waits to join one.
    pub(crate) cluster: Option<ClusterId>,
    /// It never had peers: its cluster is itself.
    pub(crate) alone: bool,
    /// It dials the address that it was told to join.
    pub(crate) joins: bool,
    /// The address of the other end, as it is seen from this one.
    pub(crate) reached: Option<String>,
    /// What its clock shows; 0 where it does not say.
    pub(crate) now: UnixMillis,
}

/// Why a peer is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// No protocol is common to both.
    #[error("the releases have no protocol in common: upgrade one step at a time")]
    Protocol,
    /// The proof is not made with this cluster's secret.
    #[error("the secrets differ: give both nodes the same CLUSTER_SECRET")]
    Secret,
    /// It belongs to another cluster of several.
    #[error("it is a member of another cluster")]
    Cluster,
    /// A node with its id is there already, from another place.
    #[error("its folder is a copy of another node's: start it with an empty folder")]
    Cloned,
    /// A later start of it is known.
    #[error("a later start of the same node is known: its folder was restored or copied")]
    Outdated,
    /// It was removed, or evicted.
    #[error("the cluster removed this node")]
    Gone,
    /// It is the node itself.
    #[error("it is this very node")]
    Itself,
    /// It has not joined its own cluster yet.
    #[error("it waits to join a cluster itself: try again")]
    NotReady,
    /// The cluster has as many members as it takes.
    #[error("the cluster has as many members as it takes")]
    Full,
    /// A node that was given up brings records that others may have deleted, and forgotten that.
    #[error("what it holds is from too long ago")]
    Old,
}

impl Refusal {
    const ALL: [Self; 10] = [
        Self::Protocol,
        Self::Secret,
        Self::Cluster,
        Self::Cloned,
        Self::Outdated,
        Self::Gone,
        Self::Itself,
        Self::NotReady,
        Self::Full,
        Self::Old,
    ];

    fn number(self) -> u32 {
        match self {
            Self::Protocol => 1,
            Self::Secret => 2,
            Self::Cluster => 3,
            Self::Cloned => 4,
            Self::Outdated => 5,
            Self::Gone => 6,
            Self::Itself => 7,
            Self::NotReady => 8,
            Self::Full => 9,
            Self::Old => 10,
        }
    }

    /// Whether another try can go better, with nobody doing anything.
    pub(crate) fn passes(self) -> bool {
        matches!(self, Self::NotReady)
    }
}

/// Why two nodes did not come together.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandshakeError {
    /// This side refused, and said so.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// The other side refused.
    #[error("was refused by the other side: {0}")]
    RefusedByPeer(Refusal),
    /// What came is no handshake.
    #[error("what came is not the handshake of a node")]
    Nonsense,
    /// The connection, or what came over it.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// It took too long.
    #[error("the handshake took too long")]
    Slow,
}

/// A peer that has proved itself.
pub(crate) struct Met<S> {
    pub(crate) peer: Greeting,
    pub(crate) channel: Channel,
    pub(super) reader: FrameReader<ReadHalf<S>>,
    pub(super) writer: WriteHalf<S>,
}

/// The side that dialled. `judge` says whether the peer, which has proved itself, is taken.
pub(crate) async fn dial<S: AsyncRead + AsyncWrite>(
    io: S,
    secret: &[u8],
    channel: Channel,
    greeting: &Greeting,
    judge: impl FnOnce(&Greeting) -> Result<(), Refusal>,
) -> Result<Met<S>, HandshakeError> {
    in_time(async {
        let mut talk = Talk::new(io);
        let ours = hello(greeting, channel);
        talk.say(HELLO, &ours).await?;
        let theirs = talk.hear(HELLO).await?;
        let (peer, _) = talk.understand(&theirs).await?;
        let proof = talk.hear(PROOF).await?;
        if !proves(secret, ACCEPTER, (&ours, &theirs), &proof) {
            return Err(talk.refuse(Refusal::Secret).await);
        }
        if let Err(refusal) = judge(&peer) {
            return Err(talk.refuse(refusal).await);
        }
        talk.say(PROOF, &proof_of(secret, DIALLER, (&ours, &theirs))).await?;
        talk.hear(WELCOME).await?;
        Ok(talk.met(peer, channel))
    })
    .await
}

/// The side that was dialled.
pub(crate) async fn accept<S: AsyncRead + AsyncWrite>(
    io: S,
    secret: &[u8],
    greeting: &Greeting,
    judge: impl FnOnce(&Greeting) -> Result<(), Refusal>,
) -> Result<Met<S>, HandshakeError> {
    in_time(async {
        let mut talk = Talk::new(io);
        let theirs = talk.hear(HELLO).await?;
        let (peer, channel) = talk.understand(&theirs).await?;
        let ours = hello(greeting, channel);
        talk.say(HELLO, &ours).await?;
        talk.say(PROOF, &proof_of(secret, ACCEPTER, (&theirs, &ours))).await?;
        let proof = talk.hear(PROOF).await?;
        if !proves(secret, DIALLER, (&theirs, &ours), &proof) {
            return Err(talk.refuse(Refusal::Secret).await);
        }
        if let Err(refusal) = judge(&peer) {
            return Err(talk.refuse(refusal).await);
        }
        talk.say(WELCOME, &[]).await?;
        Ok(talk.met(peer, channel))
    })
    .await
}

async fn in_time<T>(
    talk: impl Future<Output = Result<T, HandshakeError>>,
) -> Result<T, HandshakeError> {
    let patience = Duration::from_millis(HANDSHAKE_MILLIS_MAX);
    timeout(patience, talk).await.unwrap_or(Err(HandshakeError::Slow))
}

struct Talk<S> {
    reader: FrameReader<ReadHalf<S>>,
    writer: WriteHalf<S>,
}

impl<S: AsyncRead + AsyncWrite> Talk<S> {
    fn new(io: S) -> Self {
        let (reader, writer) = tokio::io::split(io);
        Self { reader: FrameReader::new(reader, HANDSHAKE_BYTES_MAX), writer }
    }

    async fn say(&mut self, number: u16, body: &[u8]) -> Result<(), HandshakeError> {
        let mut buffer = BytesMut::new();
        frame::encode(&mut buffer, (Kind::Notice, number, 0), |it| it.extend_from_slice(body));
        self.writer.write_all(&buffer).await.map_err(FrameError::Io)?;
        Ok(self.writer.flush().await.map_err(FrameError::Io)?)
    }

    async fn hear(&mut self, expected: u16) -> Result<Bytes, HandshakeError> {
        let Frame { kind, number, body, .. } = self.reader.next().await?;
        match (kind, number) {
            (Kind::Notice, REFUSAL) => {
                let said = RefusalText::decode(body).map_err(|_| HandshakeError::Nonsense)?;
                let refusal = Refusal::ALL.into_iter().find(|it| it.number() == said.number);
                Err(refusal.map_or(HandshakeError::Nonsense, HandshakeError::RefusedByPeer))
            }
            (Kind::Notice, number) if number == expected => Ok(body),
            _ => Err(HandshakeError::Nonsense),
        }
    }

    /// What a hello says; refused where it speaks no protocol of ours.
    async fn understand(&mut self, hello: &Bytes) -> Result<(Greeting, Channel), HandshakeError> {
        let hello = HelloText::decode(hello.clone()).map_err(|_| HandshakeError::Nonsense)?;
        let common = PROTOCOL.min(hello.protocol);
        if common < PROTOCOL_OLDEST.max(hello.protocol_oldest) {
            return Err(self.refuse(Refusal::Protocol).await);
        }
        hello.understood().ok_or(HandshakeError::Nonsense)
    }

    async fn refuse(&mut self, refusal: Refusal) -> HandshakeError {
        let text = RefusalText { number: refusal.number() };
        match self.say(REFUSAL, &text.encode_to_vec()).await {
            Ok(()) => {
                // So that it arrives before the connection goes.
                let _ = self.writer.shutdown().await;
                HandshakeError::Refused(refusal)
            }
            Err(error) => error,
        }
    }

    fn met(mut self, peer: Greeting, channel: Channel) -> Met<S> {
        self.reader.trust();
        Met { peer, channel, reader: self.reader, writer: self.writer }
    }
}

type Hellos<'a> = (&'a [u8], &'a [u8]);

fn mac(secret: &[u8], side: &[u8], (dialler, accepter): Hellos<'_>) -> Option<Hmac<Sha256>> {
    // A key of any length does.
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
    for part in [side, dialler, accepter] {
        mac.update(&(part.len() as u64).to_le_bytes());
        mac.update(part);
    }
    Some(mac)
}

fn proof_of(secret: &[u8], side: &[u8], hellos: Hellos<'_>) -> Vec<u8> {
    mac(secret, side, hellos).map_or_else(Vec::new, |mac| mac.finalize().into_bytes().to_vec())
}

/// In constant time.
fn proves(secret: &[u8], side: &[u8], hellos: Hellos<'_>, proof: &[u8]) -> bool {
    mac(secret, side, hellos).is_some_and(|mac| mac.verify_slice(proof).is_ok())
}

#[derive(Clone, PartialEq, prost::Message)]
struct HelloText {
    #[prost(uint32, tag = "1")]
    protocol: u32,
    #[prost(uint32, tag = "2")]
    protocol_oldest: u32,
    #[prost(uint32, tag = "3")]
    channel: u32,
    #[prost(bytes = "vec", tag = "4")]
    nonce: Vec<u8>,
    #[prost(fixed64, tag = "5")]
    node: u64,
    #[prost(uint64, tag = "6")]
    incarnation: u64,
    #[prost(bytes = "vec", optional, tag = "7")]
    cluster: Option<Vec<u8>>,
    #[prost(bool, tag = "8")]
    alone: bool,
    #[prost(bool, tag = "9")]
    joins: bool,
    #[prost(string, optional, tag = "11")]
    reached: Option<String>,
    #[prost(fixed64, tag = "12")]
    start: u64,
    #[prost(fixed64, tag = "13")]
    now: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RefusalText {
    #[prost(uint32, tag = "1")]
    number: u32,
}

fn hello(greeting: &Greeting, channel: Channel) -> Vec<u8> {
    let nonce: [u8; NONCE_BYTES] = rand::random();
    let text = HelloText {
        protocol: PROTOCOL,
        protocol_oldest: PROTOCOL_OLDEST,
        channel: channel.number(),
        nonce: nonce.to_vec(),
        node: greeting.node.0,
        incarnation: greeting.incarnation.0,
        cluster: greeting.cluster.map(|id| id.0.to_be_bytes().to_vec()),
        alone: greeting.alone,
        joins: greeting.joins,
        reached: greeting.reached.clone(),
        start: greeting.start.0,
        now: greeting.now,
    };
    text.encode_to_vec()
}

impl HelloText {
    fn understood(self) -> Option<(Greeting, Channel)> {
        let fits = self.reached.as_ref().is_none_or(|text| text.len() <= ADDRESS_BYTES_MAX);
        let cluster = match self.cluster {
            None => None,
            Some(bytes) => Some(ClusterId(u128::from_be_bytes(bytes.try_into().ok()?))),
        };
        let sound = self.nonce.len() == NONCE_BYTES && fits;
        let greeting = Greeting {
            node: NodeId(self.node),
            incarnation: Incarnation(self.incarnation),
            cluster,
            alone: self.alone,
            joins: self.joins,
            reached: self.reached,
            start: Epoch(self.start),
            now: self.now,
        };
        sound.then_some((greeting, Channel::of_number(self.channel)?))
    }
}

/// What a connection is for, where these bytes are the hello that says so.
#[cfg(test)]
pub(crate) async fn channel_in(bytes: &[u8]) -> Option<Channel> {
    let frame = FrameReader::new(bytes, HANDSHAKE_BYTES_MAX).next().await.ok()?;
    Some(HelloText::decode(frame.body).ok()?.understood()?.1)
}

#[cfg(test)]
mod tests;
