//! World simulations and the adversary server.

mod crash;
mod damage;
mod edges;
mod evil;
mod held;
mod restores;
mod versions;
mod world;
