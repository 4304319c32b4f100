//! The cluster, as one of its nodes is told of it.

mod config;

pub use config::{ClusterConfig, Secret};
