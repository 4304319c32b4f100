//! Tables: which of them hold a live record, in name order, some at a time.

use std::sync::Arc;

use dynarust_core::TableName;

use crate::{Node, RefusedRead};

/// Lists the tables, part by part. Not a snapshot: each part is as it was at some moment before it
/// came. A table that holds a record all the time is listed exactly once.
#[derive(Debug)]
pub struct TableLister {
    node: Arc<Node>,
    /// Behind which to go on; `None` once all were listed.
    rest: Option<After>,
}

/// Behind a table, or before all of them.
type After = Option<TableName>;

impl Node {
    /// Begins to list the tables.
    #[must_use]
    pub fn tables(self: Arc<Self>) -> TableLister {
        TableLister { node: self, rest: Some(None) }
    }
}

impl TableLister {
    /// The next tables, at least one; `None` behind the last.
    ///
    /// # Errors
    /// [`RefusedRead`]; what was listed before stands, and the call may be repeated.
    pub async fn next(&mut self) -> Result<Option<Vec<TableName>>, RefusedRead> {
        while let Some(after) = self.rest.clone() {
            let found = self.node.tables_of_all(after).await?;
            self.rest = found.next.map(Some);
            if !found.tables.is_empty() {
                return Ok(Some(found.tables));
            }
        }
        Ok(None)
    }
}
