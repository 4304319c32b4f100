//! A node is its folder, and there is only one of it.

use std::fs;
use std::path::Path;

use dynarust_core::Consistency::Available;

use super::members::Members;
use crate::{ClusterError, Holdings};

/// As an operator copies the folder of a node that is stopped.
fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
        }
    }
}

fn assert_excluded(failure: &ClusterError, why: &str) {
    let reason = match failure {
        ClusterError::Excluded { reason } | ClusterError::Refused { reason, .. } => reason,
        other => panic!("it was not turned away: {other:?}"),
    };
    assert!(reason.contains(why), "{reason}");
}

/// The copy of a member's folder, started elsewhere while the member lives, is turned away; the member stays.
#[tokio::test(start_paused = true)]
async fn a_copy_of_a_folder_is_turned_away() {
    let mut members = Members::running_of_seats(3, 4).await;
    members.stop(2).await;
    copy(members.folder(2), members.folder(3));
    members.start(2);
    members.until_whole().await;
    members.start(3);
    let failure = members.failure(3).await;
    assert_excluded(&failure, "copy");
    members.stop(3).await;
    members.until_whole().await;
    members.put(2, "key", "1", Available).await.unwrap();
}

/// A folder from before the member's latest start, a backup that was restored, is never that member again:
/// while the member lives, and after it has gone down. It may come back as another.
#[tokio::test(start_paused = true)]
async fn an_earlier_start_of_a_member_is_turned_away() {
    let mut members = Members::running_of_seats(3, 5).await;
    members.stop(2).await;
    copy(members.folder(2), members.folder(3));
    copy(members.folder(2), members.folder(4));
    for _ in 0..2 {
        members.start(2);
        members.until_whole().await;
        members.stop(2).await;
    }
    members.start(3);
    assert_gone(&members.failure(3).await);
    members.stop(3).await;
    members.start(2);
    members.until_whole().await;
    members.start(4);
    assert_gone(&members.failure(4).await);
    members.stop(4).await;
    members.until_whole().await;
}

fn assert_gone(failure: &ClusterError) {
    let recent = matches!(failure, ClusterError::Gone { holdings: Holdings::Recent { .. }, .. });
    assert!(recent, "{failure:?}");
    assert!(failure.to_string().contains("later start"), "{failure}");
}
