//! World simulations and the adversary server.

mod world;
