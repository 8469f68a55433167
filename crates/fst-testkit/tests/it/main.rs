//! World simulations and the adversary server.

mod evil;
mod world;
