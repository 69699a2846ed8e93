//! Who we are to Azure: its ways to log in, and the HTTP client that logins and APIs share.

mod certificate;
pub mod http;
mod login;
pub mod throttle;
mod transport;

pub use login::Login;
