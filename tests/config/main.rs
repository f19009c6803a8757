//! The real binary, as a user starts it: its command line, its configuration from every source, what it prints, and how it
//! starts and stops. What each key means is tested beside the code.

mod check;
mod memory;
mod process;
mod serve;
mod storage;
mod support;
mod users;
