//! What each stage costs.

fn main() {}
