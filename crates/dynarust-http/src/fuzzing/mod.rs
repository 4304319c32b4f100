//! Fuzzing the front door: any bytes, through guard, hyper and surface, over a pipe, with the store in
//! memory and a clock that stands.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `exercise` | one input: sends it, and holds what comes back against what must |
//! | `answers` | reads answers, strictly |
//! | `mutation` | makes inputs of seeds and of each other |
//! | `run` | as long as asked for; a finding is written down and told |

mod answers;
mod exercise;
mod mutation;
mod run;
