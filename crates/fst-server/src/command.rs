//! Commands of `fst-server` that have arguments of their own, one module each.

pub(crate) mod audit;
pub(crate) mod quota;
