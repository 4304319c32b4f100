//! The framing against itself and against hyper's parser, and the guard over a pipe.

mod framing;
mod guarding;
