//! World simulations and the adversary server.

mod crash;
mod evil;
mod held;
mod versions;
mod world;
