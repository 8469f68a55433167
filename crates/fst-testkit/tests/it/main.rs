//! World simulations and the adversary server.

mod crash;
mod damage;
mod delta;
mod early;
mod edges;
mod editors;
mod evil;
mod held;
mod merging;
mod prunes;
mod recipes;
mod restores;
mod versions;
mod world;
