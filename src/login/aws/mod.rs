//! Who we are to AWS: logins with chains of roles, and what a refusal of its services means.

mod failure;
mod login;

pub use failure::explain;
pub use login::Login;
