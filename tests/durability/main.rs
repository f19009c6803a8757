//! Nothing confirmed is ever lost: a simulated broker on a simulated disk, real restarts, real kills.

mod kill;
mod reclaim;
mod restart;
mod simulator;
mod space;
mod world;
