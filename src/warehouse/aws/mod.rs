//! Who we are to AWS: logins with chains of roles, and what a refusal of its services means.

pub mod failure;
pub mod login;

pub use failure::{Failure, explain};
pub use login::Login;
