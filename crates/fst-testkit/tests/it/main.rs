//! World simulations and the adversary server.

mod crash;
mod edges;
mod evil;
mod held;
mod versions;
mod world;
