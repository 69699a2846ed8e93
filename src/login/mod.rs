//! Who we are to the clouds: how a profile logs in to AWS, Azure and Google, and what it means when one of them refuses.
//!
//! The stores of the warehouse and the connectors log in here; neither knows the other.

#[cfg(feature = "aws-api")]
pub mod aws;
#[cfg(feature = "azure")]
pub mod azure;
#[cfg(feature = "gcp")]
pub mod gcp;
pub mod refusal;
