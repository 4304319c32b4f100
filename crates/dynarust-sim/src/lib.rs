//! Whole clusters of DynaRust in one process, from a seed.
//!
//! The node's real code (coordinators, following, repair, moves, membership, mesh, HTTP, streams, and the store down
//! to its journal and SQLite) on a simulated network, disk, clock and randomness. The same seed gives the
//! same trace, byte for byte.
//!
//! ```text
//! seed ─▶ plan: what goes wrong, and when ─▶ world ─┬─ machines: Node, LocalStore ─▶ disk, clock
//!                                                   ├─ network: Net, Pipe
//!                                                   └─ clients: sessions, readers ─▶ recorder
//!                                    checkers ◀─ history, machines ◀─┘
//! ```
//!
//! | module | what it holds |
//! | --- | --- |
//! | `seeded`, `time`, `dice` | randomness and time, from the seed |
//! | `process`, `driver`, `machine` | a machine, the process on it, and what drives its store |
//! | `network`, `disk` | what lies between and under the nodes |
//! | `faults` | what goes wrong, and how much of it at a time |
//! | `client`, `workload`, `readers`, `recorder` | who uses the cluster, and what they are told |
//! | `world`, `rules` | one simulation, from beginning to end; what its nodes are told |
//! | `known`, `checkers` | what must hold, and when |
//! | `run`, `child`, `many`, `regressions`, `report`, `shrink` | seeds, and what comes of them |

mod checkers;
mod child;
mod client;
mod dice;
mod disk;
mod driver;
mod faults;
mod known;
mod machine;
mod many;
mod network;
mod process;
mod readers;
mod recorder;
mod regressions;
mod report;
mod rules;
mod run;
mod seeded;
mod settings;
mod shrink;
mod time;
mod trace;
mod workload;
mod world;

pub use faults::{Climate, Event, Fault};
pub use many::Many;
pub use recorder::Counts;
pub use regressions::{REGRESSIONS, Regression};
pub use report::{Report, Sum, Summary};
pub use run::{RunError, run};
pub use settings::{Form, Settings};
pub use shrink::{Shrunk, shrink};
