//! Scans: the live records of a range in key order, whole or by pages.
//!
//! Memory holds one chunk of a whole scan, or one page, however large the range is.

use std::sync::{Arc, OnceLock};

use dynarust_core::limits::{CHUNK_BYTES_MAX, CHUNK_RECORDS_MAX, PAGE_BYTES_MAX};
use dynarust_core::{Consistency, KeyRange, Replicas, Stored};
use dynarust_store::Scan;

use crate::membership::ALONE;
use crate::{Node, RefusedRead};

/// Reads a range chunk by chunk. Not a snapshot: each record is as it was at some moment before its
/// chunk came.
#[derive(Debug)]
pub struct Scanner {
    node: Arc<Node>,
    /// What is still to be read; `None` once all was.
    rest: Option<KeyRange>,
    reverse: bool,
    consistency: Consistency,
    /// Who stood behind its first chunk.
    replicas: Arc<OnceLock<Replicas>>,
}

/// A part of a range.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// The live records, in the order asked for.
    pub records: Vec<Arc<Stored>>,
    /// Behind them the range holds a further live record.
    pub more: bool,
}

impl Node {
    /// Begins to read a range, from its first key or, in `reverse`, from its last; each record from as
    /// many owners as was asked.
    #[must_use]
    pub fn scan(
        self: Arc<Self>,
        range: KeyRange,
        reverse: bool,
        consistency: Consistency,
    ) -> Scanner {
        let rest = (!range.is_empty()).then_some(range);
        Scanner { node: self, rest, reverse, consistency, replicas: Arc::default() }
    }
}

impl Scanner {
    /// Who stood behind the first chunk, once that was read: of the owners of that part of all that is kept of
    /// which the fewest were asked. Where that is a majority, it is of what comes behind it, too, or that is
    /// refused.
    #[must_use]
    pub fn replicas(&self) -> Arc<OnceLock<Replicas>> {
        Arc::clone(&self.replicas)
    }

    /// The next live records, at least one; `None` behind the last.
    ///
    /// # Errors
    /// [`RefusedRead`]; what was read before stands, and the call may be repeated.
    pub async fn next(&mut self) -> Result<Option<Vec<Arc<Stored>>>, RefusedRead> {
        while let Some(range) = self.rest.clone() {
            let live = self.chunk(range, CHUNK_RECORDS_MAX).await?;
            if !live.is_empty() {
                return Ok(Some(live));
            }
        }
        Ok(None)
    }

    /// The next page: it ends at `records_max` records or at [`PAGE_BYTES_MAX`] bytes of values,
    /// with at least one record where there is one.
    ///
    /// # Errors
    /// As [`Scanner::next`]; what the page already held is lost.
    pub async fn page(&mut self, records_max: usize) -> Result<Page, RefusedRead> {
        let mut page = Page::default();
        let mut value_bytes = 0;
        while let Some(range) = self.rest.clone() {
            // One more than fits, so that the last chunk also tells whether more follows.
            let wanted = (records_max - page.records.len() + 1).min(CHUNK_RECORDS_MAX);
            for stored in self.chunk(range, wanted).await? {
                let full = page.records.len() == records_max || value_bytes >= PAGE_BYTES_MAX;
                if full {
                    page.more = true;
                    return Ok(page);
                }
                value_bytes += stored.record.value.len();
                page.records.push(stored);
            }
        }
        Ok(page)
    }

    /// Who stands behind what this node scans by itself.
    fn own_replicas(&self) -> Replicas {
        let cluster = &self.node.cluster;
        match cluster.is_alone() {
            true => ALONE,
            false => cluster
                .cover(&cluster.view(), self.consistency, false)
                .map_or(ALONE, |cover| cover.replicas),
        }
    }

    /// The live ones of the next records, and `rest` moved behind them.
    async fn chunk(
        &mut self,
        range: KeyRange,
        records_max: usize,
    ) -> Result<Vec<Arc<Stored>>, RefusedRead> {
        let cluster = &self.node.cluster;
        let (found, replicas) = if cluster.scans_alone(self.consistency) {
            let scan = Scan {
                range: range.clone(),
                reverse: self.reverse,
                records_max,
                bytes_max: CHUNK_BYTES_MAX,
                partitions: None,
                values: true,
            };
            (cluster.scan_own(scan).await?, self.own_replicas())
        } else {
            let at_many = self.replicas.get().is_some_and(|told| !told.is_few());
            let (reverse, consistency) = (self.reverse, self.consistency);
            self.node.scan_owners(&range, reverse, records_max, consistency, at_many).await?
        };
        self.replicas.get_or_init(|| replicas);
        self.rest = found.records.last().filter(|_| found.more).map(|last| {
            let key = last.name.key();
            if self.reverse { range.ending_before(key) } else { range.starting_after(key) }
        });
        let now = self.node.now();
        let mut records = found.records;
        records.retain(|stored| stored.record.is_live(now));
        Ok(records)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use dynarust_core::{Condition, RecordName, TableName};
    use dynarust_store::{Durability, SystemClock};

    use super::*;
    use crate::store_in_memory::StoreInMemory;
    use crate::{Delete, NodeConfig, Put};

    /// A node that holds these records of table `t`; those without a value were deleted.
    async fn node_with(records: &[(&str, Option<&str>)]) -> Arc<Node> {
        let config = NodeConfig::alone("127.0.0.1:6660");
        let node = Node::start(StoreInMemory::new(), Arc::new(SystemClock), config);
        for (key, value) in records {
            let put = Put {
                name: RecordName::parse("t", key).unwrap(),
                value: Bytes::copy_from_slice(value.unwrap_or("null").as_bytes()),
                expiry: None,
                condition: Condition::default(),
                durability: Durability::Relaxed,
                consistency: Consistency::default(),
                request: None,
            };
            let delete = Delete {
                name: put.name.clone(),
                condition: Condition::default(),
                durability: Durability::Relaxed,
                consistency: Consistency::default(),
                request: None,
            };
            node.put(put).await.unwrap();
            if value.is_none() {
                node.delete(delete).await.unwrap();
            }
        }
        node
    }

    fn keys(records: &[Arc<Stored>]) -> Vec<&str> {
        records.iter().map(|stored| stored.name.key()).collect()
    }

    fn all() -> KeyRange {
        KeyRange::table(TableName::parse("t").unwrap())
    }

    #[tokio::test]
    async fn a_page_knows_whether_a_live_record_follows() {
        let node = node_with(&[("a", Some("1")), ("b", Some("2")), ("c", None)]).await;
        let page = Arc::clone(&node).scan(all(), false, Consistency::One).page(1).await.unwrap();
        assert_eq!((keys(&page.records), page.more), (vec!["a"], true));
        // A tombstone follows, which no reader sees.
        let page = node.scan(all(), false, Consistency::One).page(2).await.unwrap();
        assert_eq!((keys(&page.records), page.more), (vec!["a", "b"], false));
    }

    #[tokio::test]
    async fn a_page_ends_at_its_bytes_with_at_least_one() {
        let large = format!("\"{}\"", "x".repeat(PAGE_BYTES_MAX));
        let node = node_with(&[("a", Some(&large)), ("b", Some("2"))]).await;
        let page = node.scan(all(), false, Consistency::One).page(10).await.unwrap();
        assert_eq!((keys(&page.records), page.more), (vec!["a"], true));
    }

    #[tokio::test]
    async fn a_scan_crosses_chunks_either_way() {
        let names: Vec<String> =
            (0..CHUNK_RECORDS_MAX * 2 + 1).map(|nth| format!("{nth:05}")).collect();
        let records: Vec<_> = names.iter().map(|key| (key.as_str(), Some("0"))).collect();
        let node = node_with(&records).await;
        for reverse in [false, true] {
            let mut scanner = Arc::clone(&node).scan(all(), reverse, Consistency::One);
            let mut found = Vec::new();
            while let Some(chunk) = scanner.next().await.unwrap() {
                found.extend(keys(&chunk).into_iter().map(str::to_owned));
            }
            if reverse {
                found.reverse();
            }
            assert_eq!(found, names);
        }
    }

    #[tokio::test]
    async fn an_empty_range_is_never_read() {
        let node = node_with(&[("a", Some("1"))]).await;
        let range = all().starting_at("b").ending_before("a");
        assert_eq!(node.scan(range, true, Consistency::One).next().await.unwrap(), None);
    }
}
