//! The one error type: what went wrong, where, why and what to do next.

mod conversions;
mod failure;
mod kind;
mod place;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::redact;

pub use conversions::causes;
pub use failure::Failure;
pub use kind::{Blame, ErrorKind};
pub use place::{Place, PlaceKey};

/// The longest pause that another side can ask for: what is longer is never waited for, and would reach past the end of a
/// clock.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 60 * 60);

/// Whether trying again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retry {
    /// The same input gives the same failure.
    Never,
    /// Worth another attempt after a growing pause.
    Backoff,
    /// Worth another attempt when so much time has passed: the other side said so.
    After(Duration),
}

/// The error of every fallible function here.
///
/// `kind` is for programs; `what` is one sentence; the places name file, row, column or key; `cause` is the reason as the
/// layer below gave it; `hint` says what to do next. Logins and signatures of URLs are masked in all of them: an error is
/// printed, logged and kept in the ledger.
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    retry: Retry,
    what: String,
    places: Vec<Place>,
    cause: Option<String>,
    hint: Option<String>,
}

/// `Result` with the one [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    fn new(kind: ErrorKind, what: impl Into<String>) -> Self {
        Error(Box::new(Inner {
            kind,
            retry: Retry::Never,
            what: masked(what.into()),
            places: Vec::new(),
            cause: None,
            hint: None,
        }))
    }

    /// A bug: an invariant of this program does not hold.
    pub fn internal(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, what)
    }

    /// The command line or configuration is wrong.
    pub fn usage(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Usage, what)
    }

    /// The data is wrong.
    pub fn data(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Data, what)
    }

    /// Something outside this program failed.
    pub fn external(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::External, what)
    }

    /// Says more exactly what kind of failure it is.
    pub fn of_kind(mut self, kind: ErrorKind) -> Self {
        self.0.kind = kind;
        self
    }

    /// Names where it went wrong in words of its own, such as a file's address; call it from the inside out.
    pub fn at(self, place: impl Into<String>) -> Self {
        self.at_key(PlaceKey::Place, place.into())
    }

    /// Names the model, table, column, row or other thing of a kind where it went wrong; call it from the inside out.
    pub fn at_key(mut self, key: PlaceKey, value: impl fmt::Display) -> Self {
        let value = masked(value.to_string());
        self.0.places.push(Place { key, value });
        self
    }

    /// The reason as the layer below gave it.
    pub fn because(mut self, cause: impl fmt::Display) -> Self {
        self.0.cause = Some(masked(cause.to_string()));
        self
    }

    /// What to do next.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(masked(hint.into()));
        self
    }

    /// Marks the failure as worth another attempt.
    pub fn retryable(mut self) -> Self {
        self.0.retry = Retry::Backoff;
        self
    }

    /// Marks the failure as worth another attempt after this time, [`LONGEST_PAUSE`] at most.
    pub fn retryable_after(mut self, pause: Duration) -> Self {
        self.0.retry = Retry::After(pause.min(LONGEST_PAUSE));
        self
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whose move it is.
    pub fn blame(&self) -> Blame {
        self.0.kind.blame()
    }

    /// Where it went wrong, from the inside out.
    pub fn places(&self) -> &[Place] {
        &self.0.places
    }

    /// Whether trying again can help.
    pub fn retry(&self) -> Retry {
        self.0.retry
    }

    /// The hint, printed on a line of its own.
    pub fn hint_text(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }
}

fn masked(text: String) -> String {
    match redact(&text) {
        std::borrow::Cow::Borrowed(_) => text,
        std::borrow::Cow::Owned(masked) => masked,
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        sentence(f, &self.0.what, &self.0.places, self.0.cause.as_deref())
    }
}

/// What, where and why, as a person reads it.
fn sentence(f: &mut fmt::Formatter<'_>, what: &str, places: &[Place], cause: Option<&str>) -> fmt::Result {
    f.write_str(what)?;
    for place in places {
        write!(f, ", {place}")?;
    }
    if let Some(cause) = cause {
        write!(f, ": {cause}")?;
    }
    Ok(())
}

impl std::error::Error for Error {}

/// As [`Failure`] in JSON: an executor of the cluster hands it on as Rust shows it.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let json = serde_json::to_string(&Failure::from(self)).map_err(|_| fmt::Error)?;
        write!(f, "Error({json})")
    }
}
