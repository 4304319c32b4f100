use super::*;
use tokio::io::duplex;

fn greeting(node: u64) -> Greeting {
    Greeting {
        node: NodeId(node),
        incarnation: Incarnation(3),
        cluster: (node == 1).then_some(ClusterId(9)),
        alone: false,
        joins: node == 2,
        reached: Some(format!("10.0.0.{node}:6660")),
        start: Epoch(node),
        now: node,
    }
}

type Ended = Result<(Greeting, Channel), HandshakeError>;

fn end<S>(met: Result<Met<S>, HandshakeError>) -> Ended {
    met.map(|met| (met.peer, met.channel))
}

/// Node 2 dials node 1: how it ends for both.
async fn meet((dialler, accepter): (&[u8], &[u8]), verdict: Result<(), Refusal>) -> (Ended, Ended) {
    let (near, far) = duplex(1 << 16);
    let (two, one) = (greeting(2), greeting(1));
    let dialling = dial(near, dialler, Channel::Bulk, &two, |_| Ok(()));
    let accepting = accept(far, accepter, &one, |_| verdict);
    let (dialled, accepted) = tokio::join!(dialling, accepting);
    (end(dialled), end(accepted))
}

#[tokio::test]
async fn who_knows_the_secret_is_met() {
    let (dialled, accepted) = meet((b"secret", b"secret"), Ok(())).await;
    assert_eq!(dialled.unwrap(), (greeting(1), Channel::Bulk));
    assert_eq!(accepted.unwrap(), (greeting(2), Channel::Bulk));
}

#[tokio::test]
async fn who_does_not_is_refused_and_both_know_why() {
    let (dialled, accepted) = meet((b"secret", b"another"), Ok(())).await;
    assert!(matches!(dialled, Err(HandshakeError::Refused(Refusal::Secret))));
    assert!(matches!(accepted, Err(HandshakeError::RefusedByPeer(Refusal::Secret))));
}

#[tokio::test]
async fn each_refusal_arrives() {
    for refusal in Refusal::ALL {
        let (dialled, accepted) = meet((b"s", b"s"), Err(refusal)).await;
        assert!(matches!(dialled, Err(HandshakeError::RefusedByPeer(it)) if it == refusal));
        assert!(matches!(accepted, Err(HandshakeError::Refused(it)) if it == refusal));
    }
}

/// Somebody who answers in a node's place without the secret.
async fn impostor(proof: impl FnOnce(&[u8], &[u8]) -> Vec<u8>) -> HandshakeError {
    let (near, far) = duplex(1 << 16);
    let two = greeting(2);
    let dialling = dial(near, b"secret", Channel::Data, &two, |_| Ok(()));
    let answering = async {
        let mut talk = Talk::new(far);
        let theirs = talk.hear(HELLO).await.unwrap();
        let ours = hello(&greeting(1), Channel::Data);
        talk.say(HELLO, &ours).await.unwrap();
        talk.say(PROOF, &proof(&theirs, &ours)).await.unwrap();
        talk.hear(PROOF).await.map(|_| ())
    };
    let (dialled, answered) = tokio::join!(dialling, answering);
    assert!(answered.is_err(), "no proof is given to who has not proved itself");
    end(dialled).unwrap_err()
}

#[tokio::test]
async fn a_proof_holds_for_its_side_and_its_hellos_alone() {
    let reflected = impostor(|a, b| proof_of(b"secret", DIALLER, (a, b))).await;
    assert!(matches!(reflected, HandshakeError::Refused(Refusal::Secret)));
    let replayed =
        impostor(|a, _| proof_of(b"secret", ACCEPTER, (a, &hello(&greeting(1), Channel::Data))));
    assert!(matches!(replayed.await, HandshakeError::Refused(Refusal::Secret)));
    let empty = impostor(|_, _| Vec::new()).await;
    assert!(matches!(empty, HandshakeError::Refused(Refusal::Secret)));
}

#[tokio::test]
async fn another_protocol_is_refused_and_garbage_is_no_panic() {
    let (near, far) = duplex(1 << 16);
    let one = greeting(1);
    let accepting = accept(far, b"s", &one, |_| Ok(()));
    let dialling = async {
        let mut talk = Talk::new(near);
        let newer = HelloText { protocol: 9, protocol_oldest: 9, ..HelloText::default() };
        talk.say(HELLO, &newer.encode_to_vec()).await.unwrap();
        talk.hear(HELLO).await
    };
    let (accepted, dialled) = tokio::join!(accepting, dialling);
    assert!(matches!(end(accepted), Err(HandshakeError::Refused(Refusal::Protocol))));
    assert!(matches!(dialled, Err(HandshakeError::RefusedByPeer(Refusal::Protocol))));

    let (mut near, far) = duplex(1 << 16);
    near.write_all(&[b'x'; 100]).await.unwrap();
    let accepted = accept(far, b"s", &greeting(1), |_| Ok(())).await;
    assert!(matches!(end(accepted), Err(HandshakeError::Frame(_))));
}

#[tokio::test(start_paused = true)]
async fn silence_ends() {
    let (_near, far) = duplex(1 << 16);
    let accepted = accept(far, b"s", &greeting(1), |_| Ok(())).await;
    assert!(matches!(end(accepted), Err(HandshakeError::Slow)));
}
