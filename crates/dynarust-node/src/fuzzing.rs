//! What must hold of whatever another node, or somebody in its place, sends: a function a target of
//! `fuzz/`, each panics where its property is broken. The tests here go through the inputs that are kept
//! in `fuzz/seeds`.

#[cfg(test)]
#[path = "../../../fuzz/seeds.rs"]
mod seeds;

pub use crate::cluster::fuzzing::{peer, registry};
pub use crate::mesh::fuzzing::{frame, handshake, message};

#[cfg(test)]
mod tests {
    use super::seeds;

    #[test]
    fn seeds_of_frames_stand() {
        seeds::go_through("frame", super::frame);
    }

    #[test]
    fn seeds_of_handshakes_stand() {
        seeds::go_through("handshake", super::handshake);
    }

    #[test]
    fn seeds_of_messages_stand() {
        seeds::go_through("message", super::message);
    }

    #[test]
    fn seeds_of_registries_stand() {
        seeds::go_through("registry", super::registry);
    }

    #[test]
    fn seeds_of_peers_stand() {
        seeds::go_through("peer", super::peer);
    }
}
