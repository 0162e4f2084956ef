//! Outside platforms: how the deployment is connected with them, what is read of them and told to them.

pub mod advertising;
pub mod audiences;
pub mod commerce;
pub mod connections;
pub mod conversions;
pub mod sourcing;
pub mod text_generation;
