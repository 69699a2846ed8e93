//! Who we are to Google: a service account or what the machine runs as.

mod login;
mod metadata;

pub use login::Login;
